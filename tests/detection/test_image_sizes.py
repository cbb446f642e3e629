"""1024 x 1024 is a setting: other sizes, square or not, padded or not."""
import pytest
import torch
from detectors import FPN, SFP, build, narrow, on_shapes
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData

from projects.common.checkpoint import load_weights
from projects.convmae.backbone import ARCHS
from projects.shapes import CLASSES


def batch_of(sizes):
    """Random images with one object each."""
    samples = []
    for height, width in sizes:
        mask = torch.zeros(1, height, width, dtype=torch.uint8)
        mask[:, 10:50, 8:40] = 1
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(height, width),
                ori_shape=(2 * height, 2 * width),
                scale_factor=(.5, .5)))
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor([[8., 10., 40., 50.]]),
            labels=torch.tensor([2]),
            masks=BitmapMasks(mask.numpy(), height, width))
        samples.append(sample)
    images = [torch.randint(0, 256, (3, *size)) for size in sizes]
    return dict(inputs=images, data_samples=samples)


@pytest.mark.parametrize('name', [FPN, SFP], ids=['fpn', 'sfp'])
@pytest.mark.parametrize('sizes', [
    [(96, 160)],
    [(80, 100), (64, 112)],
], ids=['exact', 'padded'])  # yapf: disable
def test_trains_and_predicts_at(name, sizes, tmp_path):
    model_cfg = on_shapes(name, tmp_path).model
    model_cfg.data_preprocessor.pad_size_divisor = 32
    model = build(model_cfg)
    batch = batch_of(sizes)
    with torch.no_grad():
        found = model.test_step(batch)
        losses = model.train()(
            **model.data_preprocessor(batch, training=True), mode='loss')
    total, _ = model.parse_losses(losses)
    assert total.isfinite()
    for sample, (height, width) in zip(found, sizes):
        masks = sample.pred_instances.masks
        assert masks.shape[1:] == (2 * height, 2 * width)
        boxes = sample.pred_instances.bboxes
        assert boxes.min() >= 0
        assert (boxes[:, 2:] <= torch.tensor([2 * width, 2 * height])).all()


def test_checkpoint_of_another_size(tmp_path):
    """A detector's file is refused by one of another width, and named."""
    path, models = tmp_path / 'detector.pth', []
    for channels in ((32, 64, 128), (16, 32, 64)):
        cfg = on_shapes(FPN, tmp_path)
        arch = dict(ARCHS['tiny'], channels=channels)
        narrow(cfg.model, arch, width=32, fc=64, num_classes=len(CLASSES))
        models.append(build(cfg.model))
    torch.save(dict(state_dict=models[0].state_dict()), path)
    with pytest.raises(
            ValueError, match='detector.pth is of another architecture'):
        load_weights(models[1], str(path))
