"""Loading weights with a report, and renaming between layouts."""
import pytest
import torch
from mmpretrain.registry import MODELS

import projects.convmae  # noqa: F401
from projects.common.checkpoint import (Rename, load_state_dict, load_weights,
                                        rename, state_dict_of)

ARCH = dict(channels=(8, 16, 32), depths=(1, 1, 1), mlp_ratios=(2, 2, 2),
            num_heads=4)  # yapf: disable


def backbone(**kwargs):
    model = MODELS.build(
        dict(type='ConvViT', **{
            'arch': ARCH,
            'img_size': 64,
            **kwargs
        }))
    for param in model.parameters():
        torch.nn.init.normal_(param)
    return model


def classifier():
    return MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(type='ConvViT', arch=ARCH, img_size=64),
            neck=dict(type='TokenPooling', channels=32),
            head=dict(type='LinearClsHead', in_channels=32, num_classes=3)))


def prefixed(model, prefix='backbone.'):
    return {prefix + key: value for key, value in model.state_dict().items()}


def test_init_cfg_strips_the_prefix_and_reports(tmp_path):
    source = backbone()
    tensors = dict(prefixed(source), **{'neck.norm.weight': torch.ones(4)})
    file = tmp_path / 'pretrained.pth'
    torch.save(dict(state_dict=tensors, meta=dict(epoch=1)), file)
    target = backbone(
        init_cfg=dict(
            type='Pretrained', checkpoint=str(file), prefix='backbone.'))
    target.init_weights()
    for name, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], value), name


def test_report_counts_every_fate():
    source = backbone(img_size=96)
    tensors = prefixed(source)
    tensors['other'] = torch.zeros(2)
    tensors['head.fc.weight'] = torch.zeros(7, 32)
    report = load_state_dict(classifier(), tensors, 'file.pth')
    assert report.resized == ['backbone.pos_embed']
    assert report.unused == ['other']
    assert report.mismatched == ['head.fc.weight (7, 32) for (3, 32)']
    assert 'head.fc.bias' in report.new
    assert len(report.loaded) == len(source.state_dict()) - 1
    assert report.coverage == 1 and report.part == 'backbone'
    text = str(report)
    assert '100.0% of the backbone' in text and 'unused: 1 (other)' in text


@pytest.mark.parametrize('container', ['model', 'state_dict', 'module', None])
def test_containers(container):
    tensors = prefixed(backbone(), 'module.')
    file = {container: tensors, 'epoch': 3} if container else tensors
    assert state_dict_of(file, 'f').keys() == backbone().state_dict().keys()


def test_a_file_of_another_architecture_is_refused_and_changes_nothing():
    model = classifier()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    other = backbone(arch=dict(ARCH, channels=(8, 16, 64)))
    with pytest.raises(ValueError, match='another architecture'):
        load_state_dict(model, prefixed(other), 'other.pth')
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_file_that_covers_too_little_is_refused():
    tensors = prefixed(backbone())
    few = {name: tensors[name] for name in list(tensors)[:5]}
    with pytest.raises(ValueError, match='covers too little') as error:
        load_state_dict(classifier(), few, 'few.pth')
    assert 'few.pth' in str(error.value)
    load_state_dict(classifier(), few, 'few.pth', min_coverage=0)


def test_a_file_of_another_method_is_refused():
    with pytest.raises(ValueError, match="no weights under the prefix 'bb.'"):
        load_state_dict(backbone(), {'encoder.x': torch.ones(1)}, 'f', 'bb.')


def test_things_that_are_no_checkpoint(tmp_path):
    with pytest.raises(ValueError, match='holds no weights'):
        state_dict_of(dict(epoch=3), 'f.pth')
    with pytest.raises(ValueError, match='holds no weights'):
        state_dict_of([1, 2], 'f.pth')
    with pytest.raises(FileNotFoundError, match='absent.pth'):
        load_weights(backbone(), str(tmp_path / 'absent.pth'))


RULES = [
    Rename('a.*.norm1.*', 'b.*.ln1.*'),
    Rename('a.*.attn.**', 'b.*.attn.**'),
    Rename('conv.*', 'linear.*', lambda t: t.flatten(1),
           lambda t: t[..., None]),
]


def test_rename_and_back():
    source = {
        'a.0.norm1.weight': torch.ones(2),
        'a.11.attn.qkv.weight': torch.ones(3),
        'conv.weight': torch.randn(2, 3, 1)
    }
    ours = rename(source, RULES)
    assert set(ours) == {
        'b.0.ln1.weight', 'b.11.attn.qkv.weight', 'linear.weight'
    }
    assert ours['linear.weight'].shape == (2, 3)
    back = rename(ours, RULES, backward=True)
    assert back.keys() == source.keys()
    assert all(torch.equal(back[key], source[key]) for key in source)


def test_rename_refuses_unknown_names_and_collisions():
    with pytest.raises(ValueError, match='1 names are not.*a.0.extra'):
        rename({'a.0.extra': torch.ones(1)}, RULES)
    same = [Rename('x', 'z'), Rename('y', 'z')]
    with pytest.raises(ValueError, match="'z'"):
        rename({'x': torch.ones(1), 'y': torch.ones(1)}, same)
    assert rename({'a.0.extra': torch.ones(1)}, RULES, ignore=['*extra']) == {}
