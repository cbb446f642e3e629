"""VideoConvMAE: masked pretraining on clips, then their motions."""
from ..evaluation import starts
from ..plan import Demo
from ..report import TOP1

PARTS = ('video', )

FOLDER = 'videoconvmae/demo'
PRETRAIN = f'{FOLDER}/videoconvmae_tiny_1xb32-coslr-5k_shapes.py'
FINETUNE = f'{FOLDER}/videoconvvit-tiny_videoconvmae-pre_1xb32-coslr-400_' \
    'shapes.py'


def plan(demo: Demo) -> None:
    """Pretrain; fine-tune, and test in two views of each clip."""
    pretrain = demo.pretrain(PRETRAIN)
    demo.draw_curves('pretraining', [pretrain], 'loss')
    jobs = []
    for weights, start in starts(pretrain).items():
        job = demo.job(f'finetune-{weights}', FINETUNE, start)
        step = demo.step(job.train_step(f'Fine-tune from {weights} weights'))
        demo.row('fine-tuning', weights, step, job.describe(), TOP1)
        jobs.append(job)
    demo.draw_curves('classification', jobs, 'loss', 'accuracy/top1')
