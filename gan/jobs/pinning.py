"""Names on a hub in the settings of a run: written down with the commit that they meant when it began."""

import dataclasses

from gan import distributed, hub
from gan.models import hub_checkpoints
from training.config import RunConfig
from training.data import places


def pinned(config: RunConfig) -> RunConfig:
    """The settings with the commit in each name on a hub, so that going on takes the same files.

    Under several processes all must call this; the first one asks the hub. Raises UserError as
    `gan.hub_files.fetch`.
    """
    if hub.is_name(config.init_from):
        model = distributed.from_first(lambda: hub_checkpoints.pinned(config.init_from))
        config = dataclasses.replace(config, init_from=model)
    if hub.is_name(config.data.held_out):
        held_out = distributed.from_first(lambda: places.pinned(config.data.held_out))
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, held_out=held_out))
    return config
