"""ExtreMA-Base with InfoNCE in place of the BYOL loss, ImageNet-1k.

Paper    arXiv:2206.04667, Table 6
Run      bash tools/dist_train.sh configs/extrema/pretrain/<this file> 8
Expect   82.8 / 66.8 top-1 fine-tuned / by linear probe where the default has
         82.6 / 68.8 (reported by the paper, not rerun here)
Differs  as its parent; model, masks and epochs of the table are not known, so
         compare with its default only; the temperature is the code's default
"""
_base_ = './extrema_base-mask08x5_8xb256-amp-coslr-300e_in1k.py'

model = dict(
    head=dict(
        loss=dict(
            _delete_=True,  # another loss with other arguments
            type='CrossMaskInfoNCE',
            temperature=1.0)))
