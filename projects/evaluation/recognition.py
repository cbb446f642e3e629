"""Which pretraining a checkpoint is of."""
import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from projects.common.safe_load import load_file
from projects.zoo import find
from projects.zoo.address import SCHEME
from projects.zoo.models import find_config

from .recipes import encoder_of, pretrainings, with_encoder


class Pretraining(NamedTuple):
    """A pretraining and how it was recognised.

    Attributes:
        config: Its config file.
        reason: In words.
        ours: Whether its weights were trained with this project.
    """
    config: Path
    reason: str
    ours: bool


def recognise(checkpoint: str, config: str | None = None) -> Pretraining:
    """Find the pretraining of a checkpoint.

    Args:
        checkpoint: A file in our layout, or ``zoo://NAME``.
        config: Config file or name of the pretraining; None to find it by
            the name of the training, which the checkpoint, its file or its
            folder has, or by the encoder in the config that it holds.

    Raises:
        FileNotFoundError: If the file or the config does not exist.
        ValueError: If it is of no pretraining that is known.
    """
    if checkpoint.startswith(SCHEME):
        entry = find(checkpoint.removeprefix(SCHEME))
        if not entry.weights_kind:
            raise ValueError(f'no weights of {entry.name} are published; '
                             'give the file of weights of your own')
        name = config or entry.name
        return Pretraining(
            find_config(name).resolve(), 'by its address',
            entry.weights_kind == 'ours')
    content = load_file(checkpoint)
    meta = content.get('meta') if isinstance(content, Mapping) else None
    meta = meta if isinstance(meta, Mapping) else {}
    # mmengine adds the time of start
    run = re.sub(r'_\d{8}_\d{6}$', '', str(meta.get('experiment_name', '')))
    if config is not None:
        return Pretraining(
            find_config(config).resolve(), 'as --config says', bool(run))
    known = {path.stem: path for path in pretrainings()}
    path = Path(checkpoint).resolve()
    for name, reason in ((run, 'the name of its training'),
                         (path.stem, 'its name'), (path.parent.name,
                                                   'its folder')):
        if name in known:
            return Pretraining(known[name], f'by {reason}', bool(run))
    model = read_settings(str(meta.get('cfg', ''))).get('model')
    if isinstance(model, Mapping) and {'type', 'backbone'} <= model.keys():
        same = next(with_encoder(encoder_of(model)), None)
        if same is not None:
            return Pretraining(same, 'by the encoder in its config', True)
        said = f'its config is of {model["type"]} with ' \
            f'{dict(model["backbone"]).get("type")}, which no pretraining is'
    else:
        said = 'it does not hold the config of its training'
    raise ValueError(
        f'{checkpoint} is of no pretraining that recipes start from: {said}. '
        'Name its pretraining by --config, as a config file or a name of '
        'python tools/zoo.py list --task pretrain')


def read_settings(text: str) -> dict[str, Any]:
    """The settings in a config's text that are plain values.

    Nothing is executed, so that the text may come out of any file. What is
    not a literal or ``dict(...)`` of them is left out.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    settings = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0],
                                                       ast.Name):
            try:
                settings[node.targets[0].id] = _value(node.value)
            except (ValueError, RecursionError):
                continue
    return settings


def _value(node: ast.expr) -> Any:
    """Value of a literal in which ``dict(key=value)`` may stand."""
    if isinstance(node, ast.List):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {
            ast.literal_eval(key): _value(value)
            for key, value in zip(node.keys, node.values) if key
        }
    if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            and node.func.id == 'dict' and not node.args):
        return {
            keyword.arg: _value(keyword.value)
            for keyword in node.keywords if keyword.arg
        }
    return ast.literal_eval(node)
