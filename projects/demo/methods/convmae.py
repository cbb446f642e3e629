"""ConvMAE: masked pretraining, then classification."""
from ..evaluation import finetune, probe
from ..plan import Demo

PARTS = ('cls', )

FOLDER = 'convmae/demo'
PRETRAIN = f'{FOLDER}/convmae_tiny_1xb32-coslr-6k_shapes.py'
FINETUNE = f'{FOLDER}/convvit-tiny_convmae-pre_1xb32-coslr-500_shapes.py'
LINEAR = f'{FOLDER}/convvit-tiny_convmae-pre_1xb32-linear-coslr-500_shapes.py'


def plan(demo: Demo) -> None:
    """Pretrain, draw, and evaluate where there are labels."""
    pretrain = demo.pretrain(PRETRAIN)
    demo.draw_reconstructions(pretrain)
    if not demo.classes:
        demo.draw_curves('pretraining', [pretrain], 'loss')
        return
    demo.draw_curves('pretraining', [pretrain], 'loss', 'accuracy/top1')
    jobs = [
        *probe(demo, pretrain, LINEAR), *finetune(demo, pretrain, FINETUNE)
    ]
    demo.draw_curves('classification', jobs, 'loss', 'accuracy/top1')
