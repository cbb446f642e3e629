"""MIMDet: masked pretraining, then detection from parts of the tokens."""
from ..evaluation import INIT
from ..plan import Demo
from ..report import BOX_AP, MASK_AP

PARTS = ('det', )

FOLDER = 'mimdet/demo'
PRETRAIN = f'{FOLDER}/mae_vit-tiny-p16_1xb32-coslr-2k_shapes-det-128x128.py'
DETECTOR = f'{FOLDER}/mask-rcnn_mimdet-tiny_fpn_1xb8-600_shapes-det-128x128.py'
RATIOS = 25, 50, 100  # per cent of the tokens, at test


def plan(demo: Demo) -> None:
    """Train on half of the tokens; test and draw with fewer and with more."""
    pretrain = demo.pretrain(PRETRAIN)
    demo.draw_curves('pretraining', [pretrain], 'loss')
    detector = demo.job('detector', DETECTOR,
                        {f'{INIT}.checkpoint': str(pretrain.checkpoint)})
    step = demo.step(
        detector.train_step('Train a detector on half of the tokens',
                            '--no-validate'))
    demo.row('detector, training', 'pretrained', step, detector.describe())
    demo.draw_curves('detection', [detector], 'loss')
    for ratio in RATIOS:
        option = f'model.backbone.test_sample_ratio={ratio / 100}'
        step = demo.step(
            detector.test_step(f'tokens{ratio}',
                               f'Test it on {ratio} % of the tokens', option))
        demo.row(f'detector, {ratio} % of tokens', 'pretrained', step,
                 f'test_sample_ratio {ratio / 100:g}', BOX_AP, MASK_AP)
        demo.draw_predictions(detector, f'tokens{ratio}', option)
