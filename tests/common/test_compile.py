"""``compile = True`` of a config: models are one graph, numbers stay.

Graphs are traced, and run as they are; generating code for them takes minutes.
"""
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from shrink import shrink
from training_runs import CONVMAE, make_project, write_config
from trainings import losses, train

from projects.benchmark.steps import TrainStep
from projects.benchmark.variants import Setting, parse_variants

MODELS = [
    'convmae/pretrain/convmae_base_8xb256-amp-coslr-1600e_in1k',
    'convmae/finetune/convvit-base_convmae-pre_8xb128-amp-coslr-100e_in1k',
    'extrema/demo/extrema-tiny_token-decoder_1xb32-coslr-1k_shapes',
    'videoconvmae/pretrain/videoconvmae_base_8xb128-amp-coslr-800e_k400',
]
MIMDET = 'mimdet/detection/mask-rcnn_mimdet-base_fpn_32xb2-amp-36e_coco'
BIASED = [
    'convmae/detection/mask-rcnn_convmae-base_fpn_8xb4-amp-lsj-25e_coco',
    'convmae/detection/mask-rcnn_convmae-base_sfp_8xb2-amp-lsj-25e_coco',
    'convmae/segmentation/convmae-base_upernet_8xb2-amp-160k_ade20k-512x512',
]
SIAMESE = ('extrema/demo/'
           'extrema_tiny-mask08x5-crops-color_1xb32-coslr-2k_shapes')


@pytest.fixture(autouse=True)
def fresh_compiler():
    """No sizes seen in another test: they would be variable from then on."""
    torch.compiler.reset()


def results(step):
    """Outputs and gradients of one step, without its update."""
    outputs = step.forward()
    torch.autograd.backward(outputs, [torch.ones_like(x) for x in outputs])
    gradients = [p.grad for p in step.model.parameters() if p.grad is not None]
    step.model.zero_grad()
    assert len(gradients) > 10
    return [*outputs, *gradients]


def make_step(name, tmp_path, part=None):
    cfg = Config.fromfile(f'configs/{name}.py')
    shrink(cfg)
    cfg.model.backbone.drop_path_rate = 0.5
    cfg.dump(tmp_path / 'config.py')
    shape = (4, 64, 64) if name.startswith('video') else (64, 64)
    setting = Setting(torch.device('cpu'), batch=2, shape=shape, part=part)
    variant, = parse_variants(str(tmp_path / 'config.py'), {}, [], setting)
    return TrainStep(variant, setting)


def assert_close(mine, theirs):
    largest = max(theirs.abs().max().item(), 1)
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-4 * largest)


def assert_compiles(plain, compiled, **options):
    compiled.compile(dict(backend='aot_eager', **options))
    for mine, theirs in zip(results(compiled), results(plain), strict=True):
        assert_close(mine, theirs)


@pytest.mark.parametrize('name', MODELS)
def test_a_model_is_one_graph(name, tmp_path):
    """Nothing makes the compiler give up half-way."""
    plain, compiled = (make_step(name, tmp_path) for _ in range(2))
    assert_compiles(plain, compiled, fullgraph=True)


def test_mimdet_is_one_graph(tmp_path):
    plain, compiled = (
        make_step(MIMDET, tmp_path, 'backbone') for _ in range(2))
    assert_compiles(plain, compiled, fullgraph=True)


@pytest.mark.parametrize('name', BIASED)
def test_attention_with_a_bias_is_left_alone(name, tmp_path):
    """It goes chunk by chunk as without, and holds no scores."""
    plain, compiled = (make_step(name, tmp_path, 'backbone') for _ in range(2))
    assert_compiles(plain, compiled)
    assert compiled.held()[0] < 1.2 * plain.held()[0]


def test_the_teacher_moves_between_graphs(tmp_path):
    """With another share each time, for which nothing is compiled again."""
    plain, compiled = (make_step(SIAMESE, tmp_path) for _ in range(2))
    compiled.compile(dict(backend='aot_eager'))
    for progress in range(3):
        MessageHub.get_current_instance().update_info_dict(
            dict(iter=progress, max_iters=3))
        # the first step finds out which sizes there are
        with torch._dynamo.config.patch(error_on_recompile=progress > 0):
            plain()
            compiled()
    state = plain.model.state_dict()
    for name, value in compiled.model.state_dict().items():
        assert_close(value, state[name])


def test_training(tmp_path):
    """A run of ``tools/train.py``, with dropped paths."""
    make_project(tmp_path)
    config = write_config(
        tmp_path, CONVMAE.replace('{drop_path}', '0.2'), batch=2)
    found = []
    for name, *args in (('plain', ), ('compiled', '--cfg-options',
                                      'compile.backend=aot_eager')):
        done = train(config, tmp_path / name, *args)
        assert done.returncode == 0, done.stderr
        found.append(losses(tmp_path / name))
    assert 'has been "compiled"' in done.stdout + done.stderr
    assert len(found[0]) == 18
    assert found[1] == pytest.approx(found[0], rel=1e-5)
