"""MAE of a ViT-Base, 1600 epochs of ImageNet-1k: what MIMDet starts from.

mmpretrain's recipe; here it reads a folder of images, in classes or not.

Paper    arXiv:2111.06377
Run      bash tools/dist_train.sh configs/mimdet/pretrain/<this file> 8
Expect   51.7 box AP of MIMDet (reported by the paper, not rerun here)
Differs  from mmpretrain's in the data set's class and in that --resume has to
         be asked for
"""
_base_ = 'mmpretrain::mae/mae_vit-base-p16_8xb512-amp-coslr-1600e_in1k.py'
custom_imports = dict(imports=['projects.engine'], allow_failed_imports=False)

train_dataloader = dict(
    # what is inherited carries a scope, which a function does not take
    collate_fn=dict(_delete_=True, type='default_collate'),
    dataset=dict(
        _delete_=True,  # ImageNet wants its thousand classes
        type='CustomDataset',
        data_root='data/imagenet',
        data_prefix='train',
        with_label=False,
        pipeline={{_base_.train_pipeline}}))
resume = False
