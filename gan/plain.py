"""Base of generators without a style space: z goes in at one place, `G(z, c)` is all there is."""

from typing import NoReturn

from torch import nn

from gan.errors import UserError


class PlainGenerator(nn.Module):
    """Says what is missing where a tool for style-based generators asks for it."""

    @property
    def mapping(self) -> NoReturn:
        """Raises UserError: there is no style space."""
        raise UserError("this generator has no style space, so no mapping and no synthesis: call G(z, c)")

    synthesis = mapping
