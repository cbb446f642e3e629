"""ConvMAE-Small on CIFAR-10 as mmpretrain's data set fetches it.

The first run fetches the archive of the authors into data/cifar10. Its images
are arrays in RGB order, in no order of classes: the first 5,000 have about 500
of each, and these are the labelled ones.

Paper    arXiv:2205.03892
Run      python tools/train.py configs/convmae/photographs/<this file>
Expect   not measured: sized for ten minutes on one recent GPU
Differs  as its parent, of class folders
"""
_base_ = './convmae_small_1xb256-amp-coslr-6k_cifar10-128px.py'

data_preprocessor = dict(to_rgb=False)
# nothing to load from files, the first step of the pipelines
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CIFAR10',
        data_root='data/cifar10',
        split='train',
        pipeline=_base_.train_pipeline[1:]))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CIFAR10',
        data_root='data/cifar10',
        split='test',
        pipeline=_base_.test_pipeline[1:]))
test_dataloader = val_dataloader
labelled_bank = dict(
    dataset=dict(
        _delete_=True,
        type='CIFAR10',
        data_root='data/cifar10',
        split='train',
        indices=5000,
        pipeline=_base_.test_pipeline[1:]))
val_cfg = dict(bank_dataloader=labelled_bank)
test_cfg = dict(bank_dataloader=labelled_bank)
