"""Agreement of the FPN detector with the official one, stage by stage.

The official weights come in through the conversion, the settings from the
config of the zoo.
"""
import pytest
import torch
from detectors import FPN, build, check_bits, leaf, narrow
from golden import Fixture
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi

from projects.convmae.convert import convert

TOP = 20  # proposals and detections that are stored
TOP_MASKS = 8


@pytest.fixture(scope='module')
def fixture():
    return Fixture('convmae_detector_tiny')


@pytest.fixture(scope='module')
def model(fixture):
    config = fixture.info['config']
    sizes = config['hard_coded_overrides']
    cfg = leaf(FPN)
    narrow(
        cfg.model,
        dict(
            channels=sizes['embed_dim'],
            depths=(2, 2, 11),
            mlp_ratios=sizes['mlp_ratio'],
            num_heads=sizes['num_heads']), config['width'], config['fc'],
        config['num_classes'])
    cfg.model.backbone.update(
        img_size=sizes['img_size'][0],
        window_size=config['bottom_up']['window_size'])
    model = build(cfg.model)
    loaded = model.load_state_dict(
        convert(fixture.state_dict(), 'det-fpn'), strict=False)
    assert not loaded.unexpected_keys
    assert all(
        key.endswith('num_batches_tracked') for key in loaded.missing_keys)
    return model


@pytest.fixture(scope='module')
def batch(fixture, model):
    """Both images as the test pipeline gives them: padded, BGR."""
    samples = []
    for height, width in fixture.info['config']['output_sizes']:
        samples.append(
            DetDataSample(
                metainfo=dict(
                    img_shape=(128, 128),
                    ori_shape=(height, width),
                    scale_factor=(0.5, 0.5))))
    images = [fixture.input(f'image{i}').flip(0) for i in range(2)]
    return model.data_preprocessor(dict(inputs=images, data_samples=samples))


@pytest.fixture(scope='module')
def run(model, batch):
    """Every stage's output, once."""
    samples = batch['data_samples']
    metas = [sample.metainfo for sample in samples]
    with torch.no_grad():
        maps = model.extract_feat(batch['inputs'])
        rpn = model.rpn_head(maps)
        proposals = model.rpn_head.predict(maps, samples, rescale=False)
        detections = model.roi_head.predict_bbox(maps, metas, proposals,
                                                 model.roi_head.test_cfg)
        boxes = [found.bboxes[:TOP_MASKS] for found in detections]
        masks = model.roi_head._mask_forward(maps, bbox2roi(boxes))
        final = model.predict(batch['inputs'], samples)
    return dict(
        maps=maps,
        rpn=rpn,
        proposals=proposals,
        masks=masks,
        detections=detections,
        final=final)


def check_count(fixture, name, count):
    """A count may differ by what lies at a threshold."""
    entry = fixture.info['outputs'][name]
    stored = fixture.arrays[entry['array']].reshape(-1)
    assert abs(stored - count).max() <= entry['count_tolerance'], name


def test_parameter_counts(fixture, model):
    counts = [sum(p.numel() for p in model.parameters()),
              sum(p.numel() for p in model.parameters() if p.requires_grad)
              ]  # yapf: disable
    assert counts == [
        fixture.info['param_count_all'], fixture.info['param_count_trainable']
    ]


def test_pyramid(fixture, run):
    for level, x in enumerate(run['maps'], start=2):
        fixture.check(f'fpn.p{level}', x)


def test_region_proposal_network(fixture, run):
    for level, (scores, deltas) in enumerate(zip(*run['rpn'])):
        fixture.check(f'rpn.objectness{level}', scores)
        fixture.check(f'rpn.deltas{level}', deltas)


def test_proposals_and_box_head(fixture, model, run):
    stored = fixture.arrays['out.proposal_counts']
    for i, proposals in enumerate(run['proposals']):
        assert abs(len(proposals) - stored[i]) <= 2
        top = proposals[:TOP]
        fixture.check(f'proposals.{i}.boxes', top.bboxes)
        # the official file stores logits, mmdet their sigmoid
        fixture.check(f'proposals.{i}.objectness', top.scores.logit())
        with torch.no_grad():
            maps = [x[i:i + 1] for x in run['maps']]
            heads = model.roi_head._bbox_forward(maps, bbox2roi([top.bboxes]))
        fixture.check(f'box.{i}.class_logits', heads['cls_score'])
        fixture.check(f'box.{i}.deltas', heads['bbox_pred'])


def test_detections(fixture, run):
    logits = run['masks']['mask_preds'].split(TOP_MASKS)
    for i, found in enumerate(run['detections']):
        check_count(fixture, f'detections.{i}.count', len(found))
        top = found[:TOP]
        fixture.check(f'detections.{i}.boxes', top.bboxes)
        fixture.check(f'detections.{i}.scores', top.scores)
        fixture.check(f'detections.{i}.classes', top.labels)
        own = logits[i][torch.arange(TOP_MASKS), top.labels[:TOP_MASKS]]
        fixture.check(f'detections.{i}.mask_probabilities', own.sigmoid())


def test_final_results(fixture, run):
    for i, sample in enumerate(run['final']):
        found = sample.pred_instances
        check_count(fixture, f'final.{i}.count', len(found))
        fixture.check(f'final.{i}.boxes', found.bboxes[:TOP])
        fixture.check(f'final.{i}.image_size',
                      torch.tensor(found.masks.shape[1:]))
        fixture.check(f'final.{i}.mask_area',
                      found.masks[:TOP].sum(dim=(1, 2)).float())
        packed = fixture.arrays[f'out.final.{i}.mask_first_packed']
        count = len(packed) * 8 // (found.masks[0].numel())
        check_bits(fixture, f'final.{i}.mask_first_packed',
                   found.masks[:count])
