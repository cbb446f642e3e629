"""The ExtreMA algorithm in mmpretrain's terms.

Source: arXiv:2206.04667; behaviour checked against
microsoft/ExtreMA at bf30b64.

Shapes: N images, V masks of each, C channels.
"""
from collections.abc import Sequence

import torch
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from .collapse import spread
from .teacher import MomentumTeacher

BRANCHES = ('student', 'teacher')


@MODELS.register_module()
class ExtreMA(BaseSelfSupervisor):
    """Match the whole image, seen by a teacher, from a few of its tokens.

    The student encodes V extremely masked subsets of view 1, all in one
    batch; the teacher, its moving average, encodes all of view 2. The loss
    compares instance tokens; the roles are not swapped.

    view 1 -> masking -> backbone -> neck (projector) -> head (predictor,
    loss) <- teacher's neck <- teacher's backbone <- view 2

    Args:
        masking: Config of the masking rule; it draws the V masks.
        momentum: Initial share of the student when the teacher moves, which
            falls to zero on half a cosine; 0.004 is the paper's 0.996.
        branch: Whose instance token ``extract_feat`` gives, for example to
            kNN: that of the 'teacher' or of the 'student'.
        **kwargs: Arguments of mmpretrain's ``BaseSelfSupervisor``: backbone,
            neck, head, data_preprocessor, init_cfg.

    Raises:
        ValueError: If ``branch`` is unknown.
    """

    def __init__(self,
                 masking: dict,
                 momentum: float = 0.004,
                 branch: str = 'teacher',
                 **kwargs) -> None:
        super().__init__(**kwargs)
        if branch not in BRANCHES:
            raise ValueError(f'branch is {branch!r}; choose from {BRANCHES}')
        self.masking = MODELS.build(masking)
        self.branch = branch
        self.target_net = MomentumTeacher(self.student, momentum).eval()
        self.register_load_state_dict_pre_hook(_require_teacher)

    @property
    def student(self) -> nn.Sequential:
        """What the teacher is a moving average of."""
        return nn.Sequential(self.backbone, self.neck)

    def init_weights(self) -> None:
        """Initialise the student; the teacher starts as its copy."""
        super().init_weights()
        self.target_net.copy_student(self.student)

    def train(self, mode: bool = True) -> 'ExtreMA':
        """Switch the mode; the teacher, without stochastic depth, stays."""
        super().train(mode)
        self.target_net.eval()
        return self

    @property
    def feature_part(self) -> str:
        """Name of the module that :meth:`extract_feat` uses."""
        return ('target_net.module.0'
                if self.branch == 'teacher' else 'backbone')

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Instance tokens, a tuple with one (N, C), of ``branch``."""
        if self.branch == 'teacher':
            return self.target_net.module[0](inputs)
        return self.backbone(inputs)

    def project(self, view_NCHW: Tensor) -> Tensor:
        """The student's projections (V, N, C) of a view, masked V times."""
        mask = self.masking(
            len(view_NCHW), self.backbone.token_grid(view_NCHW),
            view_NCHW.device)
        token_BC = self.backbone.instance_token(view_NCHW, mask)
        projection_BC, = self.neck((token_BC, ))
        return projection_BC.unflatten(0, (-1, len(view_NCHW)))

    def loss(self,
             inputs: Tensor | Sequence[Tensor],
             data_samples: list | None = None,
             **kwargs) -> dict[str, Tensor]:
        """Loss of a batch, and the spread of both branches' outputs.

        In training the teacher moves here: after the student's pass and
        before its own, towards the weights that the student has now.

        Args:
            inputs: Images (N, C, H, W): one view, seen by both branches, or
                the student's and the teacher's.
            data_samples: Not used.
            **kwargs: Not used.

        Raises:
            ValueError: If there are other numbers of views.
        """
        student_view, teacher_view = _two_views(inputs)
        projection_VNC = self.project(student_view)
        with torch.no_grad():
            if self.training:
                self.target_net.update_parameters(self.student)
            target_NC, = self.target_net(teacher_view)
        losses = dict(loss=self.head.loss(projection_VNC, target_NC))
        if len(target_NC) > 1:
            losses.update(
                student_std=spread(projection_VNC),
                teacher_std=spread(target_NC))
        return losses


def _two_views(inputs: Tensor | Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The student's and the teacher's view."""
    if isinstance(inputs, Tensor):
        return inputs, inputs
    if len(inputs) != 2:
        raise ValueError(
            f'ExtreMA takes one view of the images or two, found '
            f'{len(inputs)}: let MultiView in the pipeline have num_views=2, '
            'or leave it out')
    return inputs[0], inputs[1]


def _require_teacher(module: nn.Module, state_dict: dict, prefix: str,
                     *_) -> None:
    """Refuse weights of the student alone: the teacher would stay random."""
    if (f'{prefix}backbone.pos_embed' in state_dict
            and f'{prefix}target_net.module.0.pos_embed' not in state_dict):
        raise ValueError(
            'the checkpoint has a student (backbone.*) but its teacher '
            '(target_net.*) is missing: pretraining cannot go on from it. To '
            'start anew from its encoder, with a teacher equal to it, give '
            "it to model.backbone.init_cfg with the prefix 'backbone.'")
