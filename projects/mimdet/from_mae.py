"""Backbones that start from a masked autoencoder of a plain ViT."""
import re
from collections.abc import Mapping

from mmengine.runner import CheckpointLoader
from torch import Tensor

from projects.common.checkpoint import (PretrainedModule, Rename,
                                        load_state_dict, rename, state_dict_of,
                                        transformer_rules)

from .convert import RULES

FULL_MAE = ('https://dl.fbaipublicfiles.com/mae/pretrain/'
            'mae_pretrain_vit_{base,large}_full.pth')

TO_BACKBONE = [
    Rename('pos_embed', 'encoder.pos_embed.table'),
    *transformer_rules('blocks', 'encoder.blocks'),
    Rename('norm.*', 'encoder.norm.*'),
    Rename('decoder_embed.*', 'decoder.embed.*'),
    Rename('mask_token', 'decoder.mask_token'),
    Rename('decoder_pos_embed', 'decoder.pos_embed.table'),
    *transformer_rules('decoder_blocks', 'decoder.blocks'),
    Rename('decoder_norm.*', 'decoder.norm.*'),
]
IGNORE = ('cls_token', 'patch_embed.*', 'decoder_pred.*')


def official_mae(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The tensors of an MAE under their official names.

    Args:
        state_dict: Of the official repository or of mmpretrain.

    Returns:
        The tensors, or None if it is no MAE.
    """
    if 'blocks.0.norm1.weight' in state_dict:
        return dict(state_dict)
    if 'backbone.layers.0.ln1.weight' in state_dict:
        return rename(dict(state_dict), RULES['mae'], backward=True)
    return None


class FromMAE(PretrainedModule):
    """A backbone whose ``init_cfg`` of type Pretrained accepts an MAE.

    Official files and mmpretrain's are recognised by their names; everything
    else is loaded as the model's own weights. Further keys of ``init_cfg``:

    - ``allow_missing_decoder``: start with a random decoder if the file is
      one of the released ones that hold the encoder only. By default that is
      an error: with the default recipe such a model diverges (section 3.1).
    """

    # start of the names that no MAE has
    new_from_mae: tuple[str, ...] = ()

    def init_weights(self) -> None:
        """Initialise from scratch, then load a checkpoint if one is given.

        Raises:
            ValueError: If the checkpoint does not fit.
        """
        cfg = self.init_cfg
        if isinstance(cfg, dict) and cfg.get('type') == 'Pretrained':
            source = cfg['checkpoint']
            tensors = state_dict_of(
                CheckpointLoader.load_checkpoint(source, map_location='cpu'),
                source)
            mae = official_mae(tensors)
            if mae is not None:
                self._init_from_scratch()
                self._load_mae(mae, source,
                               cfg.get('allow_missing_decoder', False))
                self._is_init = True
                return
        super().init_weights()

    def _from_mae(self, mae: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of an MAE under this backbone's names."""
        return rename(mae, TO_BACKBONE, ignore=IGNORE)

    def _load_mae(self, mae: dict[str, Tensor], source: str,
                  allow_missing_decoder: bool) -> None:
        found = self._from_mae(mae)
        missing = [
            name for name in self.state_dict()
            if name not in found and not name.startswith(self.new_from_mae)
        ]
        decoder = [name for name in missing if name.startswith('decoder.')]
        if decoder and not any(name.startswith('decoder.') for name in found):
            if not allow_missing_decoder:
                raise ValueError(
                    f'{source} holds no decoder, which MIMDet starts from. '
                    f'The full files have one: {FULL_MAE}. To start with a '
                    'random decoder set init_cfg.allow_missing_decoder=True')
            missing = [name for name in missing if name not in decoder]
        if missing:
            raise ValueError(
                f'{source} is of another architecture: '
                f'{_depths(found)}, so {len(missing)} tensors of the '
                f'backbone are not in it, such as {", ".join(missing[:4])}')
        load_state_dict(self, found, source, min_coverage=0., part='')


def _depths(found: Mapping[str, Tensor]) -> str:
    """'it has 12 encoder blocks and 8 decoder blocks'."""
    depths = {'encoder': 0, 'decoder': 0}
    for name in found:
        block = re.match(r'(decoder\.)?.*?blocks\.(\d+)\.', name)
        if block:
            part = 'decoder' if block[1] else 'encoder'
            depths[part] = max(depths[part], int(block[2]) + 1)
    return 'it has {encoder} encoder and {decoder} decoder blocks'.format(
        **depths)
