"""What kind of model a config describes."""
from mmengine.config import Config


def takes_images(cfg: Config) -> bool:
    """Whether the model of a config takes images, not clips."""
    settings = cfg.model.get('data_preprocessor') or cfg.get(
        'data_preprocessor') or {}
    return len(settings.get('mean', ())) == 3 and not cfg.model.get(
        'backbone', {}).get('type', 'Video').startswith('Video')
