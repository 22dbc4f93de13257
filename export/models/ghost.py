"""GhostBERT's cheap features (Huang et al., ACL 2021): depthwise convolutions over the tokens, added to a branch's output.

Every feature dimension has a kernel of its own over three neighbouring tokens, normalised by softmax so that it can only mix,
never amplify. Several ghost features of a site add up to one kernel, so the runtime computes one convolution whatever their
number.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

KERNEL_TOKENS = 3


class GhostFeatures(nn.Module):
    """y = x + the sum of `features` convolutions of x; before the first and after the last token stand zeros.

    weight: (features, width, 3), logits over tokens t - 1, t, t + 1.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(features, width, KERNEL_TOKENS).normal_(std=0.02))

    def kernel(self) -> Tensor:
        """(width, 3): the sum of the normalised kernels, and one more in the middle for x itself."""
        total: Tensor = self.weight.softmax(-1).sum(0)
        return functional.pad(torch.ones_like(total[:, :1]), (1, 1)) + total

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """x: (batch, tokens, width); keep: (batch, tokens), 0 at padding, which counts as zeros."""
        signal = (x * keep.unsqueeze(-1)).transpose(1, 2)
        mixed = functional.conv1d(signal, self.kernel().unsqueeze(1), padding=1, groups=x.shape[-1])
        return mixed.transpose(1, 2)
