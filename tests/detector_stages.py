"""A detector's stages against a fixture of the official one."""
import torch
from detectors import check_bits
from golden import Fixture
from mmdet.models import BaseDetector
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi

TOP = 20  # proposals and detections that are stored
TOP_MASKS = 8


def load(model: BaseDetector, weights: dict, fixture: Fixture) -> None:
    """Load converted weights; only counters and fixed tables may stay."""
    loaded = model.load_state_dict(weights, strict=False)
    assert not loaded.unexpected_keys
    tables = [key for key in loaded.missing_keys
              if not key.endswith('num_batches_tracked')]  # yapf: disable
    assert len(tables) == len(fixture.info['untouched_keys'])
    counts = [sum(p.numel() for p in model.parameters()),
              sum(p.numel() for p in model.parameters() if p.requires_grad)
              ]  # yapf: disable
    assert counts == [
        fixture.info['param_count_all'], fixture.info['param_count_trainable']
    ]


def prepare(model: BaseDetector, fixture: Fixture,
            shapes: list[tuple[int, int]]) -> dict:
    """The batch as a test pipeline gives it, BGR, preprocessed.

    Args:
        model: With the preprocessor.
        fixture: With the images and the sizes that are asked for.
        shapes: ``img_shape`` of each image.
    """
    samples = []
    for shape, output in zip(shapes, fixture.info['config']['output_sizes']):
        scale = max(s / o for s, o in zip(shape, output))
        samples.append(
            DetDataSample(
                metainfo=dict(
                    img_shape=tuple(shape),
                    ori_shape=tuple(output),
                    scale_factor=(scale, scale))))
    images = [fixture.input(f'image{i}').flip(0) for i in range(len(shapes))]
    return model.data_preprocessor(dict(inputs=images, data_samples=samples))


@torch.no_grad()
def check_stages(model: BaseDetector, fixture: Fixture, batch: dict) -> None:
    """Compare every stage's output with the stored one."""
    samples = batch['data_samples']
    maps = model.extract_feat(batch['inputs'])
    for level, x in enumerate(maps, start=2):
        fixture.check(f'fpn.p{level}', x)
    for level, (scores, deltas) in enumerate(zip(*model.rpn_head(maps))):
        fixture.check(f'rpn.objectness{level}', scores)
        fixture.check(f'rpn.deltas{level}', deltas)
    proposals = model.rpn_head.predict(maps, samples, rescale=False)
    _check_proposals(model, fixture, maps, proposals)
    metas = [sample.metainfo for sample in samples]
    detections = model.roi_head.predict_bbox(maps, metas, proposals,
                                             model.roi_head.test_cfg)
    _check_detections(model, fixture, maps, detections)
    for index, sample in enumerate(model.predict(batch['inputs'], samples)):
        _check_result(fixture, index, sample.pred_instances)


def _check_count(fixture, name, count):
    """A count may differ by what lies at a threshold."""
    entry = fixture.info['outputs'][name]
    stored = fixture.arrays[entry['array']].reshape(-1)
    assert abs(stored - count).max() <= entry['count_tolerance'], name


def _check_proposals(model, fixture, maps, proposals):
    stored = fixture.arrays['out.proposal_counts']
    for i, found in enumerate(proposals):
        assert abs(len(found) - stored[i]) <= 2
        top = found[:TOP]
        fixture.check(f'proposals.{i}.boxes', top.bboxes)
        entry = fixture.info['outputs'][f'proposals.{i}.objectness']
        logits = torch.from_numpy(fixture.arrays[entry['array']])
        torch.testing.assert_close(
            top.scores, logits.sigmoid(), rtol=0, atol=entry['atol'])
        heads = model.roi_head._bbox_forward([x[i:i + 1] for x in maps],
                                             bbox2roi([top.bboxes]))
        fixture.check(f'box.{i}.class_logits', heads['cls_score'])
        fixture.check(f'box.{i}.deltas', heads['bbox_pred'])


def _check_detections(model, fixture, maps, detections):
    boxes = [found.bboxes[:TOP_MASKS] for found in detections]
    masks = model.roi_head._mask_forward(maps, bbox2roi(boxes))['mask_preds']
    for i, (found,
            logits) in enumerate(zip(detections, masks.split(TOP_MASKS))):
        _check_count(fixture, f'detections.{i}.count', len(found))
        top = found[:TOP]
        fixture.check(f'detections.{i}.boxes', top.bboxes)
        fixture.check(f'detections.{i}.scores', top.scores)
        fixture.check(f'detections.{i}.classes', top.labels)
        own = logits[torch.arange(TOP_MASKS), top.labels[:TOP_MASKS]]
        fixture.check(f'detections.{i}.mask_probabilities', own.sigmoid())


def _check_result(fixture, i, found):
    _check_count(fixture, f'final.{i}.count', len(found))
    fixture.check(f'final.{i}.boxes', found.bboxes[:TOP])
    fixture.check(f'final.{i}.image_size', torch.tensor(found.masks.shape[1:]))
    fixture.check(f'final.{i}.mask_area',
                  found.masks[:TOP].sum(dim=(1, 2)).float())
    packed = fixture.arrays[f'out.final.{i}.mask_first_packed']
    count = len(packed) * 8 // found.masks[0].numel()
    check_bits(fixture, f'final.{i}.mask_first_packed', found.masks[:count])
