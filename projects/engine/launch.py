"""What ``tools/train.py`` and ``tools/test.py`` share: from words to a runner.
"""
import argparse
import copy
import os
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

import projects.zoo.address  # noqa: F401  (zoo://NAME becomes an address)

from .checkpoint_io import find_checkpoint
from .config_check import check_options, check_top_level
from .losses import NonFiniteLossError
from .runner import GlimpseRunner
from .sharding import FullyShardStrategy

MAX_ROLLBACKS = 10
REPOSITORY = Path(__file__).resolve().parents[2]
# how each toolbox merges predictions, as its own tools/test.py has it
TTA_MODELS: dict[str, dict] = dict(
    mmpretrain=dict(type='AverageClsScoreTTA'),
    mmdet=dict(
        type='DetTTAModel',
        tta_cfg=dict(nms=dict(type='nms', iou_threshold=0.5),
                     max_per_img=100)),
    mmseg=dict(type='SegTTAModel'))


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that every OpenMMLab tool has."""
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how the processes of a distributed job were started')
    # torch.distributed.launch passes the second spelling
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    add_config_arguments(parser)


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """The config file and changes to it."""
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='change settings of the config: key.inner=value, list items as '
        'key.0.inner=value, lists as key="[a,b]" without spaces')


def find_config(path: str) -> str:
    """A config file, given from the current folder or the repository's.

    Raises:
        FileNotFoundError: If it is in neither.
    """
    for candidate in (Path(path), REPOSITORY / path):
        if candidate.is_file():
            return str(candidate)
    raise FileNotFoundError(
        f'config {path} exists neither in {Path.cwd()} nor in {REPOSITORY}')


def load_config(path: str, options: dict[str, Any]) -> Config:
    """Read a config, check it and the changes to it, and apply those.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a key is misspelt; suggests the nearest.
    """
    cfg = Config.fromfile(find_config(path))
    check_top_level(cfg)
    check_options(cfg, options)
    cfg.merge_from_dict(options)
    return cfg


def configure(args: argparse.Namespace) -> Config:
    """Config of a job from the arguments all tools share."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs', Path(args.config).stem))
    return cfg


def build_runner(cfg: Config) -> Runner:
    """The runner of a config: ours unless it names another.

    Raises:
        ValueError: If the other one cannot follow the config's ``strategy``.
    """
    if 'runner_type' in cfg:
        strategy = (cfg.get('strategy') or {}).get('type')
        if strategy in (FullyShardStrategy, FullyShardStrategy.__name__):
            raise ValueError('strategy is FullyShardStrategy, which '
                             'GlimpseRunner takes: leave runner_type out')
        return RUNNERS.build(cfg)
    return GlimpseRunner.from_cfg(cfg)


def train(cfg: Config, non_finite: str = 'stop') -> None:
    """Train; see ``NonFiniteProbe`` for what ``non_finite`` can ask for.

    Args:
        cfg: Config of the job.
        non_finite: What to do when a loss is NaN or infinite: 'stop'; or go
            back to the last checkpoint, write the batch down, and stop with
            the cause ('explain') or go on without that batch ('skip').

    Raises:
        NonFiniteLossError: On 'stop' and 'explain', and on 'skip' when it
            comes for the eleventh time.
        ValueError: If a sharded model is to be looked into.
    """
    if non_finite != 'stop' and cfg.get('strategy') is not None:
        raise ValueError(f'--non-finite {non_finite} is for models that each '
                         'process holds whole: leave strategy out')
    probed: set[int] = set()
    for attempt in range(MAX_ROLLBACKS + 1):
        runner = build_runner(cfg)
        if probed:
            runner.register_hook(
                dict(
                    type='NonFiniteProbe',
                    iterations=sorted(probed),
                    skip=non_finite == 'skip'))
        try:
            runner.train()
            return
        except NonFiniteLossError as error:
            again = error.iteration in probed
            if non_finite == 'stop' or again or attempt == MAX_ROLLBACKS:
                raise
            runner.logger.error(str(error))
            # a gradient shows in the loss of the next iteration
            probed |= {error.iteration - 1, error.iteration}
        _go_back(cfg, runner)
        del runner  # and its model, before there is another


def _go_back(cfg: Config, runner: Runner) -> None:
    """Let the next runner repeat the run from its last checkpoint."""
    cfg.setdefault('randomness', {})['seed'] = runner.seed
    cfg.work_dir = runner.work_dir
    found = find_checkpoint(cfg.work_dir)
    runner.logger.warning('going back to ' + (found or 'the beginning'))
    if found is not None:
        use_resume(cfg, found)


def use_amp(cfg: Config) -> None:
    """Train in mixed precision, bfloat16 where the device has it."""
    if cfg.optim_wrapper.get('type') == 'AmpOptimWrapper':
        return
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    if torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    else:
        cfg.optim_wrapper.dtype = 'bfloat16'
        # the range of bfloat16 needs no loss scaling
        cfg.optim_wrapper.loss_scale = dict(enabled=False)


def use_resume(cfg: Config, source: str) -> None:
    """Resume from a checkpoint, a folder, or ('auto') the work directory."""
    cfg.resume = True
    cfg.load_from = cfg.work_dir if source == 'auto' else source


def use_restart(cfg: Config) -> None:
    """Go on from the last checkpoint if torchrun has restarted the job."""
    restarts = int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0))
    if restarts and find_checkpoint(cfg.work_dir) is not None:
        use_resume(cfg, 'auto')


def use_auto_scale_lr(cfg: Config) -> None:
    """Scale the learning rate with the batch size.

    Raises:
        ValueError: If the config does not say for which batch size its
            learning rate is meant.
    """
    if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
        raise ValueError(
            '--auto-scale-lr: the config has no '
            'auto_scale_lr=dict(base_batch_size=...), which says for which '
            'batch size its learning rate is meant')
    cfg.auto_scale_lr.enable = True


def drop_validation(cfg: Config) -> None:
    """Train without validating."""
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None


def use_visualization(cfg: Config, args: argparse.Namespace) -> None:
    """Draw predictions while testing, in the way of the config's toolbox.

    Raises:
        ValueError: If the config has no visualization hook.
    """
    hook = (cfg.get('default_hooks') or {}).get('visualization')
    if hook is None:
        raise ValueError('--show and --show-dir: the config has no '
                         'default_hooks.visualization')
    hook.update(
        show=args.show, wait_time=args.wait_time, interval=args.interval)
    if cfg.default_scope == 'mmpretrain':
        hook.update(enable=True, out_dir=args.show_dir)
        return
    hook.draw = True
    if args.show_dir and cfg.default_scope == 'mmdet':
        hook.test_out_dir = args.show_dir
    elif args.show_dir:
        cfg.visualizer.save_dir = args.show_dir


def use_tta(cfg: Config) -> None:
    """Test on augmented copies of each image and merge the predictions.

    Uses the config's ``tta_model`` and ``tta_pipeline``; in their absence the
    predictions of an image and its mirror image are merged.
    """
    dataset = cfg.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    dataset.pipeline = cfg.get('tta_pipeline') or _mirrored(dataset.pipeline)
    model = cfg.get('tta_model', TTA_MODELS.get(cfg.default_scope))
    cfg.model = ConfigDict(**model, module=cfg.model)


def _mirrored(pipeline: list[dict]) -> list[dict]:
    """A test pipeline that gives an image and its mirror image."""
    pack = copy.deepcopy(pipeline[-1])
    if 'meta_keys' in pack:
        pack['meta_keys'] = (*pack['meta_keys'], 'flip', 'flip_direction')
    # the image first: its annotations are those of the merged sample
    flips = [dict(type='RandomFlip', prob=prob) for prob in (0., 1.)]
    return [
        *pipeline[:-1],
        dict(type='TestTimeAug', transforms=[flips, [pack]])
    ]


def use_output(cfg: Config, out: str) -> None:
    """Save predictions as the config's toolbox does, as a further metric.

    Detection and classification write one pickle, segmentation a folder of
    label maps.
    """
    evaluators = cfg.test_evaluator
    if not isinstance(evaluators, list):
        evaluators = [evaluators]
    if cfg.default_scope == 'mmseg':
        evaluators[0]['output_dir'] = out
    else:
        if not out.endswith(('.pkl', '.pickle')):
            raise ValueError(
                f'--out {out}: predictions are saved to a .pkl file')
        kind = ('DumpDetResults'
                if cfg.default_scope == 'mmdet' else 'DumpResults')
        evaluators = [*evaluators, dict(type=kind, out_file_path=out)]
    cfg.test_evaluator = evaluators
