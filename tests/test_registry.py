"""Our registered names: taken by nobody else, the same in every scope."""
import importlib
import pkgutil

import mmengine.registry
import pytest
from mmdet.utils import register_all_modules as register_mmdet
from mmengine.registry import DefaultScope, Registry
from mmpretrain.utils import register_all_modules as register_mmpretrain
from mmseg.utils import register_all_modules as register_mmseg

import projects

SCOPES = ('mmpretrain', 'mmdet', 'mmseg')
ROOTS = [
    value for value in vars(mmengine.registry).values()
    if isinstance(value, Registry)
]

for _register in (register_mmpretrain, register_mmdet, register_mmseg):
    _register(init_default_scope=False)
for _package in pkgutil.iter_modules(projects.__path__, 'projects.'):
    importlib.import_module(_package.name)


def registries_below(registry: Registry) -> list[Registry]:
    """A registry and its descendants."""
    found = [registry]
    for child in registry.children.values():
        found += registries_below(child)
    return found


def ours() -> list[tuple[Registry, Registry, str]]:
    """(root, registry, name) of every class that we registered."""
    return [(root, registry, name) for root in ROOTS
            for registry in registries_below(root)
            for name, value in registry.module_dict.items()
            if value.__module__.startswith('projects.')]


OURS = ours()
each_name = pytest.mark.parametrize(
    'root, registry, name', OURS, ids=[name for *_, name in OURS])


def test_our_classes_are_found() -> None:
    names = {name for *_, name in OURS}
    assert {
        'ConvViT', 'MaskedAutoencoder', 'BackboneLayerDecay', 'KNNTestLoop',
        'ReferenceLARS', 'ClampedResizedCrop'
    } <= names


@each_name
def test_no_toolbox_has_the_name(root: Registry, registry: Registry,
                                 name: str) -> None:
    holders = [
        other.scope for other in registries_below(root)
        if name in other.module_dict
    ]
    assert holders == [registry.scope]


@each_name
def test_every_scope_finds_the_same_class(root: Registry, registry: Registry,
                                          name: str) -> None:
    """Plain classes by name; those of a toolbox with its prefix."""
    full_name = name if registry is root else f'{registry.scope}.{name}'
    for scope in SCOPES:
        with DefaultScope.overwrite_default_scope(scope):
            with root.switch_scope_and_registry(None) as scoped:
                assert scoped.get(full_name) is registry.module_dict[name]
