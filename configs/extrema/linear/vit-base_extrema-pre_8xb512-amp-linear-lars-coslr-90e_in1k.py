"""Linear probe of ExtreMA-Base, 90 epochs on ImageNet-1k, LARS.

Pretrained weights: the end of the recipe's own pretraining by default, others
by --cfg-options model.backbone.init_cfg.checkpoint=<file>.

Paper    arXiv:2206.04667, appendix D, Table 3
Run      bash tools/dist_train.sh configs/extrema/linear/<this file> 8
Expect   no number: the released code, by which 73.3 was reached, cannot run
         LARS
Differs  as its parent; trust coefficient and exclusions are MAE's, the
         appendix names none
"""
_base_ = './vit-base_extrema-pre_8xb512-amp-linear-coslr-90e_in1k.py'

optim_wrapper = dict(
    optimizer=dict(
        _delete_=True,  # in place of SGD
        type='ReferenceLARS',
        lr=1.6,  # 0.1 per 256 images
        momentum=0.9,
        weight_decay=0.))
