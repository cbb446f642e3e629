"""Recipes of the zoo at a size that runs in a moment, and their weights."""
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from PIL import Image
from shrink import shrink

from projects.zoo.models import build_model

CONFIGS = Path(__file__).parents[1] / 'configs'
CLASSIFIER = ('convmae/demo/'
              'convvit-tiny_convmae-pre_1xb32-coslr-500_shapes.py')
SEGMENTOR = ('convmae/demo/'
             'convvit-tiny_upernet_1xb8-450_shapes-seg-128x128.py')
PRETRAINING = 'convmae/demo/convmae_tiny_1xb32-coslr-6k_shapes.py'
DETECTOR = ('convmae/detection/'
            'mask-rcnn_convmae-base_sfp_8xb2-amp-lsj-25e_coco.py')


def tiny_config(name: str, folder: Path) -> Path:
    """A recipe as a file of one's own, its model shrunk."""
    cfg = Config.fromfile(CONFIGS / name)
    if cfg.model.backbone.get('arch') != 'tiny':
        shrink(cfg)
    cfg.model.backbone.init_cfg = None
    path = folder / Path(name).name
    cfg.dump(path)
    return path


def tiny_checkpoint(config: Path, **meta) -> Path:
    """Random weights of a recipe's model, as a training saves them."""
    torch.manual_seed(0)
    model = build_model(Config.fromfile(config), None)
    with torch.no_grad():  # biases and factors have an effect, too
        for parameter in model.parameters():
            parameter.add_(.05 * torch.randn_like(parameter))
    path = config.with_suffix('.pth')
    torch.save(dict(meta=meta, state_dict=model.state_dict()), path)
    return path


def write_images(folder: Path, sizes: list[tuple[int, int]]) -> list[Path]:
    """PNG files of noise, each darker; sizes are (height, width)."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.RandomState(0)
    paths = []
    for index, size in enumerate(sizes):
        paths.append(folder / f'{index}.png')
        pixels = random.randint(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels // (1 + index)).save(paths[-1])
    return paths
