"""ConvMAE: pretraining, classification, detection and segmentation."""
from ..evaluation import finetune, probe, transfer
from ..plan import Demo
from ..report import BOX_AP, MASK_AP, MIOU

PARTS = ('cls', 'det', 'seg')

FOLDER = 'convmae/demo'
PRETRAIN = f'{FOLDER}/convmae_tiny_1xb32-coslr-6k_shapes.py'
FINETUNE = f'{FOLDER}/convvit-tiny_convmae-pre_1xb32-coslr-500_shapes.py'
LINEAR = f'{FOLDER}/convvit-tiny_convmae-pre_1xb100-linear-coslr-1k_shapes.py'
MASK_RCNN = (f'{FOLDER}/'
             'mask-rcnn_convmae-tiny_fpn_1xb8-250_shapes-det-128x128.py')
UPERNET = f'{FOLDER}/convvit-tiny_upernet_1xb8-450_shapes-seg-128x128.py'


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
    if demo.embedded:
        jobs = transfer(demo, pretrain, 'detection', 'Mask R-CNN', MASK_RCNN,
                        BOX_AP, MASK_AP)
        demo.draw_curves('detection', jobs, 'loss')
        jobs = transfer(demo, pretrain, 'segmentation', 'UperNet', UPERNET,
                        MIOU)
        demo.draw_curves('segmentation', jobs, 'loss')
