"""ExtreMA: siamese pretraining on extreme masks, then classification."""
from ..evaluation import probe
from ..plan import Demo

PARTS = ('cls', )

FOLDER = 'extrema/demo'
PRETRAIN = (f'{FOLDER}/extrema_tiny-mask08x5-crops-color_1xb32-coslr-2k_'
            'shapes.py')
LINEAR = f'{FOLDER}/vit-tiny_extrema-pre_1xb32-linear-coslr-500_shapes.py'
PATCHES = (f'{FOLDER}/vit-tiny_extrema-pre_1xb32-linear-patches-coslr-500_'
           'shapes.py')
SPREADS = ('student_std', 'teacher_std')  # 0 would be collapse


def plan(demo: Demo) -> None:
    """Pretrain; evaluate both tokens of the teacher where there are labels."""
    pretrain = demo.pretrain(PRETRAIN)
    if not demo.classes:
        demo.draw_curves('pretraining', [pretrain], 'loss', *SPREADS)
        return
    demo.draw_curves('pretraining', [pretrain], 'loss', *SPREADS,
                     'accuracy/top1')
    jobs = [
        *probe(demo, pretrain, LINEAR),
        *probe(demo, pretrain, PATCHES, 'patches')
    ]
    demo.draw_curves('classification', jobs, 'loss', 'accuracy/top1')
