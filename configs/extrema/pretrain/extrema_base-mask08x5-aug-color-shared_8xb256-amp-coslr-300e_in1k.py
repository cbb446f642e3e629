"""ExtreMA-Base, colour augmentation alone, one draw, ImageNet-1k.

Paper    arXiv:2206.04667, Table 4
Run      bash tools/dist_train.sh configs/extrema/pretrain/<this file> 8
Expect   82.5 / 62.0 top-1 fine-tuned / by linear probe where the default has
         82.6 / 68.8 (reported by the paper, not rerun here)
Differs  as its parent; model, masks and epochs of the table are not known, so
         compare with its default only. The images are resized and cut at the
         centre, as by the official option
"""
_base_ = './extrema_base-mask08x5_8xb256-amp-coslr-300e_in1k.py'

train_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(
        type='ResizeEdge',
        scale=256,
        edge='short',
        backend='pillow',
        interpolation='bilinear'),
    dict(type='CenterCrop', crop_size=224),
    dict(
        type='RandomApply',
        prob=0.8,
        transforms=[
            dict(
                type='ColorJitter',
                brightness=0.4,
                contrast=0.4,
                saturation=0.2,
                hue=0.1)
        ]),
    dict(
        type='RandomGrayscale',
        prob=0.2,
        keep_channels=True,
        channel_weights=(0.114, 0.587, 0.299)),  # BGR
    dict(type='PackInputs')
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
