"""Images and checkpoints of other sizes than the crop."""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from projects.common.checkpoint import load_weights

CONFIG = Path(__file__).parents[2] / (
    'configs/convmae/demo/'
    'convvit-tiny_upernet_1xb8-450_shapes-seg-128x128.py')


def build(**backbone):
    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.init_cfg = None
    cfg.model.backbone.update(backbone)
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(cfg.model).eval()


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A segmentor whose positions are not all alike."""
    torch.manual_seed(0)
    model = build()
    for name, parameter in model.named_parameters():
        if 'table' in name or 'pos_embed' in name:
            torch.nn.init.normal_(parameter)
    path = tmp_path_factory.mktemp('checkpoint') / 'segmentor.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return str(path)


@pytest.mark.parametrize('height, width', [(90, 61), (128, 128), (131, 300)])
def test_predicts_images_of_any_size(height, width):
    """Smaller than the crop, as large, larger, and no multiple of 16."""
    image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
    sample = SegDataSample(
        metainfo=dict(
            ori_shape=(height + 7, width), img_shape=image.shape[1:]))
    predicted, = build().test_step(dict(inputs=[image], data_samples=[sample]))
    assert predicted.pred_sem_seg.shape == (height + 7, width)
    assert predicted.seg_logits.data.isfinite().all()


@pytest.mark.parametrize('img_size', [96, 160, (128, 192)])
def test_checkpoint_of_another_crop_size_loads(checkpoint, img_size):
    """Position embedding and the tables of all blocks are resampled."""
    model = build(img_size=img_size)
    report = load_weights(model, checkpoint)
    assert report.resized == [
        'backbone.pos_embed', *(f'backbone.stages.2.blocks.{block}.attn.'
                                'relative_position_bias_table'
                                for block in range(model.backbone.depths[-1]))
    ]
    assert report.coverage == 1 and not report.new and not report.unused
    size = (img_size, img_size) if isinstance(img_size, int) else img_size
    logits = model(torch.randn(1, 3, *size), mode='tensor')
    assert logits.shape == (1, 9, size[0] // 4, size[1] // 4)


def test_checkpoint_of_another_architecture(checkpoint):
    with pytest.raises(
            ValueError, match='segmentor.pth is of another architecture'):
        load_weights(build(arch='small'), checkpoint)


def test_pretrained_backbone(checkpoint, tmp_path):
    """A pretraining checkpoint lacks tables, layer scale and E4."""
    tensors = torch.load(checkpoint, weights_only=True)['state_dict']
    new = ('table', 'gamma', 'down4')
    pretrained = {
        name: value
        for name, value in tensors.items()
        if name.startswith('backbone.') and not any(n in name for n in new)
    }
    path = str(tmp_path / 'pretrained.pth')
    torch.save(dict(state_dict=pretrained), path)
    model = build(
        init_cfg=dict(
            type='Pretrained',
            checkpoint=path,
            prefix='backbone.',
            min_coverage=0.7))
    model.init_weights()
    for name, value in model.state_dict().items():
        if name in pretrained:
            assert torch.equal(value, pretrained[name]), name
