"""Weighted k-nearest-neighbour classification on frozen features.

Shapes: Q queries, M samples in the bank, C channels, K neighbours.
"""
import copy
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather
from mmengine.evaluator import Evaluator
from mmengine.model import is_model_wrapper
from mmengine.registry import LOOPS
from mmengine.runner import BaseLoop, Runner, TestLoop, ValLoop
from mmengine.runner.amp import autocast
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.utils.data import DataLoader

CHUNK = 16_384  # bank rows compared at a time; bounds the device memory


def nearest(query_QC: Tensor,
            bank_MC: Tensor,
            k: int,
            chunk: int = CHUNK) -> tuple[Tensor, Tensor]:
    """The k rows of the bank with the largest dot products.

    Args:
        query_QC: Queries.
        bank_MC: Bank; may be on another device than the queries.
        k: Number of neighbours K, at most M.
        chunk: Bank rows on the queries' device at a time.

    Returns:
        Dot products (Q, K), largest first, and row numbers (Q, K).
    """
    values_QK = query_QC.new_empty(len(query_QC), 0)
    rows_QK = torch.empty_like(values_QK, dtype=torch.long)
    for start in range(0, len(bank_MC), chunk):
        block_MC = bank_MC[start:start + chunk].to(query_QC.device)
        best = (query_QC @ block_MC.T).topk(min(k, len(block_MC)))
        values_QK = torch.cat([values_QK, best.values], dim=1)
        rows_QK = torch.cat([rows_QK, best.indices + start], dim=1)
        merged = values_QK.topk(min(k, values_QK.shape[1]))
        values_QK = merged.values
        rows_QK = rows_QK.gather(1, merged.indices)
    return values_QK, rows_QK


def class_votes(similarity_QK: Tensor, label_QK: Tensor, num_classes: int,
                temperature: float) -> Tensor:
    """Share of each class in the neighbours' votes, (Q, num_classes).

    A neighbour of cosine similarity s counts ``exp(s / temperature)``
    (arXiv:1805.01978, section 3.4; also DINO's evaluation).
    """
    # softmax: the same shares, and a low temperature cannot overflow
    weight_QK = (similarity_QK / temperature).softmax(dim=1)
    votes = weight_QK.new_zeros(len(weight_QK), num_classes)
    return votes.scatter_add_(1, label_QK, weight_QK)


def feature_vectors(model: nn.Module, inputs: Tensor) -> Tensor:
    """One vector of unit length for each image, (N, C), float32.

    Args:
        model: A classifier, whose features are those behind its neck, or a
            self-supervised model, whose last feature map is averaged.
        inputs: Preprocessed images.

    Raises:
        ValueError: If the model's features are neither vectors nor maps.
    """
    feats = model.extract_feat(inputs)
    feat = feats[-1] if isinstance(feats, (tuple, list)) else feats
    if feat.ndim >= 4:
        feat = feat.flatten(2).mean(dim=2)
    if feat.ndim != 2:
        raise ValueError(
            f'kNN needs feature vectors (N, C) or maps (N, C, H, W); '
            f'{type(model).__name__}.extract_feat gives {tuple(feat.shape)}')
    return F.normalize(feat.float(), dim=1)


class _KNNLoop(BaseLoop):
    """What both loops share; comes before mmengine's loop in the bases.

    Every process holds the whole bank in host memory (3.9 GB for ImageNet at
    768 channels); it is built anew in each run and released after it.
    """
    stage: str

    def __init__(self,
                 runner: Runner,
                 dataloader: DataLoader | dict,
                 evaluator: Evaluator | dict | list,
                 bank_dataloader: dict | None = None,
                 k: int = 20,
                 temperature: float = 0.07,
                 fp16: bool = False) -> None:
        if k < 1:
            raise ValueError(f'{self.stage}_cfg.k is {k}; at least one '
                             'neighbour is needed')
        if temperature <= 0:
            raise ValueError(f'{self.stage}_cfg.temperature is {temperature}; '
                             'it must be positive')
        self.k = k
        self.temperature = temperature
        if bank_dataloader is None:
            bank_dataloader = self._default_bank(
                runner.cfg.get('train_dataloader'), dataloader)
        super().__init__(runner, dataloader, evaluator, fp16)
        # in order and padded to equal parts, so that _gather can undo it
        bank_dataloader = dict(
            bank_dataloader,
            sampler=dict(type='DefaultSampler', shuffle=False),
            drop_last=False)
        self.bank_dataloader = runner.build_dataloader(
            bank_dataloader,
            seed=runner.seed,
            diff_rank_seed=runner._randomness_cfg.get('diff_rank_seed', False))
        self._check_bank()
        self._bank: tuple[Tensor, Tensor, int] | None = None

    @property
    def needed_part(self) -> str:
        """The part of the model whose weights have to be loaded.

        Pretrained weights are tested without a decoder or projection head; a
        model whose features come from elsewhere names it ``feature_part``.
        """
        model = self.runner.model
        model = model.module if is_model_wrapper(model) else model
        default = 'backbone' if hasattr(model, 'backbone') else ''
        return getattr(model, 'feature_part', default)

    def _default_bank(self, train: Mapping | None,
                      tested: DataLoader | Mapping) -> dict:
        """The training set, loaded as the tested set is."""
        if (train is None or not isinstance(tested, Mapping)
                or 'pipeline' not in train['dataset']
                or 'pipeline' not in tested['dataset']):
            raise ValueError(
                f'{self.stage}_cfg.bank_dataloader must be given: without it '
                'the bank is the training set under the pipeline of the '
                'tested set, but one of the two is missing or has no pipeline')
        bank = copy.deepcopy(dict(tested))
        pipeline = bank['dataset']['pipeline']
        bank['dataset'] = copy.deepcopy(dict(train['dataset']))
        bank['dataset'].update(pipeline=pipeline, test_mode=True)
        return bank

    def _check_bank(self) -> None:
        """Fail before the work, not after."""
        bank, tested = self.bank_dataloader.dataset, self.dataloader.dataset
        if len(bank) < self.k:
            raise ValueError(
                f'{self.stage}_cfg.k is {self.k}, but the bank has only '
                f'{len(bank)} samples')
        for field, dataset in ((f'{self.stage}_cfg.bank_dataloader', bank),
                               (f'{self.stage}_dataloader', tested)):
            if 'gt_label' not in dataset[0]['data_samples']:
                raise ValueError(
                    f'{field}: kNN needs labels, and the data set has none '
                    '(with_label=False, or no class folders). Give a data '
                    'set with labels, or leave the check out')
        ours, theirs = (
            getattr(dataset, 'metainfo', {}).get('classes')
            for dataset in (bank, tested))
        if ours and theirs and tuple(ours) != tuple(theirs):
            raise ValueError(
                f'the bank has {len(ours)} classes ({ours[0]}, ...), the '
                f'tested set {len(theirs)} ({theirs[0]}, ...): they must be '
                'the same, in the same order')

    def run(self) -> dict:
        """See the base class."""
        metrics = super().run()
        self._bank = None
        return metrics

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Any) -> None:
        """See the base class."""
        self.runner.call_hook(
            f'before_{self.stage}_iter', batch_idx=idx, data_batch=data_batch)
        if self._bank is None:
            # here, because hooks may just have exchanged the weights (EMA)
            self._bank = self._build_bank()
        outputs = self._predict(data_batch, *self._bank)
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        self.runner.call_hook(
            f'after_{self.stage}_iter',
            batch_idx=idx,
            data_batch=data_batch,
            outputs=outputs)

    def _features(self, data_batch: Any) -> tuple[Tensor, list[DataSample]]:
        """Features (N, C) of a batch and its samples."""
        model = self.runner.model
        model = model.module if is_model_wrapper(model) else model
        if isinstance(model, FSDPModule):
            model.unshard()  # its forward does, which is not called here
        data = model.data_preprocessor(data_batch, False)
        with autocast(enabled=self.fp16):
            return feature_vectors(model, data['inputs']), data['data_samples']

    def _build_bank(self) -> tuple[Tensor, Tensor, int]:
        """Features (M, C), labels (M) and number of classes."""
        features, labels = [], []
        for data_batch in self.bank_dataloader:
            feature_NC, samples = self._features(data_batch)
            label_N = torch.cat([sample.gt_label for sample in samples])
            if len(label_N) != len(samples):
                raise ValueError('kNN needs one label for each image; some '
                                 'in the bank have several')
            features.append(_gather(feature_NC))
            labels.append(_gather(label_N.to(feature_NC.device)))
        dataset = self.bank_dataloader.dataset
        label_M = torch.cat(labels)[:len(dataset)]
        classes = getattr(dataset, 'metainfo', {}).get('classes') or ()
        num_classes = max(len(classes), int(label_M.max()) + 1)
        return torch.cat(features)[:len(dataset)], label_M, num_classes

    def _predict(self, data_batch: Any, bank_MC: Tensor, label_M: Tensor,
                 num_classes: int) -> list[DataSample]:
        """The samples of a batch with the neighbours' votes as scores."""
        query_QC, samples = self._features(data_batch)
        similarity_QK, rows_QK = nearest(query_QC, bank_MC, self.k)
        label_QK = label_M.to(rows_QK.device)[rows_QK]
        votes = class_votes(similarity_QK, label_QK, num_classes,
                            self.temperature)
        outputs = []
        for sample, score in zip(samples, votes):
            # without the head's number of classes, which may be another
            metainfo = {
                key: value
                for key, value in sample.metainfo.items()
                if key != 'num_classes'
            }
            output = DataSample(metainfo=metainfo)
            output.set_gt_label(sample.gt_label)
            output.set_pred_score(score).set_pred_label(score.argmax())
            outputs.append(output)
        return outputs


def _gather(x_NX: Tensor) -> Tensor:
    """All processes' rows, in host memory, in the data set's order.

    ``DefaultSampler`` deals samples out in turn: row i of process r is sample
    i * world_size + r.
    """
    parts = all_gather(x_NX.contiguous())
    return torch.stack(parts, dim=1).flatten(0, 1).cpu()


@LOOPS.register_module()
class KNNTestLoop(_KNNLoop, TestLoop):
    """Test frozen features by weighted k-nearest-neighbour classification.

    Works with any classification config, and with self-supervised models:
    ``python tools/test.py CONFIG CHECKPOINT --cfg-options
    test_cfg.type=KNNTestLoop``. The config's metric, for example
    ``Accuracy``, receives the votes as scores.

    Args:
        runner: The runner.
        dataloader: Config of the tested data, or the loader.
        evaluator: Config of the metric, or the evaluator.
        bank_dataloader: Config of the labelled data that is searched; its
            sampler is replaced by one in order. Default: the training set
            under the pipeline of the tested set.
        k: Number of neighbours.
        temperature: A neighbour counts exp(cosine similarity / temperature).
        fp16: Compute the features in half precision.

    Raises:
        ValueError: If ``k`` or ``temperature`` is not positive, the bank has
            fewer samples than ``k``, labels are missing, or the classes of
            bank and tested set differ.
    """
    stage = 'test'


@LOOPS.register_module()
class KNNValLoop(_KNNLoop, ValLoop):
    """:class:`KNNTestLoop` as a periodic check while training.

    ``val_cfg=dict(type='KNNValLoop', bank_dataloader=...)`` next to
    ``val_dataloader`` and ``val_evaluator``; ``train_cfg.val_interval`` says
    how often. Arguments as in :class:`KNNTestLoop`.
    """
    stage = 'val'
