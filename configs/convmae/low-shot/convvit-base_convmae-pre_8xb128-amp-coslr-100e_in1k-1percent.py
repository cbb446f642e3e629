"""ConvMAE-Base fine-tuned on 1 % of the labels of ImageNet-1k, 100 epochs.

About 13 images of each class, chosen by lot within the class from seed 0; all
validation images. Published lists of 1 % are other choices of images.

Paper    arXiv:2205.03892 has no such evaluation; the recipe is that of its
         fine-tuning, the share that of arXiv:2002.05709, Table 7
Run      bash tools/dist_train.sh configs/convmae/low-shot/<this file> 8
Expect   nothing published; not run here
Differs  from fine-tuning by the images alone: 100 epochs are 1,200 steps
"""
_base_ = ['../finetune/convvit-base_convmae-pre_8xb128-amp-coslr-100e_in1k.py']

train_dataloader = dict(dataset=dict(type='LowShotDataset', share=0.01))
