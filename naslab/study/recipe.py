"""Recipe: how a network is trained, one value stored with every study."""

from __future__ import annotations

from typing import Literal

from naslab.arch.block import Spec, require
from naslab.arguments import refuse_wrong_fields
from naslab.errors import UnknownNameError, shown

Views = Literal["plain", "flip", "five_crop", "ten_crop"]
"""What is looked at of an image at test time: itself, its mirror image too, or five crops, or these mirrored too."""


class Recipe(Spec, frozen=True):
    """How a candidate is trained. The learning rate is for the whole batch; epochs come from the fidelity.

    Optimiser: `optimizer` steps by `learning_rate` over batches of `batch_size` images. `momentum` is the first beta of
    AdamW; that of `sgd` is Nesterov's, or without `nesterov` the plain one. `weight_decay` is the optimiser's own; `l1`
    and `l2` add `l1 * sum |w| + l2 / 2 * sum w^2` to the loss (together the elastic net of Zou and Hastie 2005). All
    three are for the weights of convolutions and linear layers, never for norms and biases. `clip_norm` bounds the
    gradient's norm, `clip_ratio` each unit's gradient relative to its weights (arXiv 2102.06171).

    Schedule: `schedule` is `one_cycle` (Smith 2018, arXiv 1803.09820: up over the first quarter, down to 0, both
    linear), `cosine` (arXiv 1608.03983), `step` (times `step_factor` at each of `step_at`, shares of the training),
    `exponential` (times `step_factor` after every `step_every`, a share of the training), `plateau` (times
    `step_factor` after `patience` epochs without a lower validation loss) or `constant`; a linear warm-up of
    `warmup_epochs` goes before all but `one_cycle`. `stop_patience` ends a training after as many epochs without a
    better validation accuracy (ties by the loss) and keeps the best epoch's weights: those that are reported were then
    chosen by the validation images.

    Imbalance: with `class_weights` `balanced` the loss of each image weighs as its class is rare, all classes alike
    together; of several labels an image, present labels weigh as much as absent ones. With `sampler` `balanced` an
    epoch draws as many images as there are, each class as often (with replacement).

    Regularisation: `dropout` and `stochastic_depth` take the place of the network's own rates, where given: dropout of
    each of its dropout layers, or before the classifier of a network without one; stochastic depth (arXiv 1603.09382)
    of the last residual body, growing to it body by body. EfficientNet's code calls that "drop connect"; here
    `drop_connect` is DropConnect (Wan et al. 2013): each weight of the fully connected layers is dropped, anew in every
    step. `drop_block` drops squares of `drop_block_size` behind each block of the last two stages (arXiv 1810.12890);
    its rate grows linearly from 0 over the training. `label_smoothing` is the share of a target that all classes have
    in common (arXiv 1512.00567). Auxiliary heads of the architecture are trained too, at the weights that it gives
    them.

    Augmentation, in the order of its work: random windows of at least `resized_crop` of an image's area, resized (arXiv
    1409.4842), random crops of the image padded by `crop_padding` pixels, mirror images (`horizontal_flip`),
    AutoAugment's policy for a data set (`auto_augment`, arXiv 1805.09501) or `rand_augment` operations of RandAugment
    (arXiv 1909.13719) at `rand_augment_magnitude`, 0 to 30, colour jitter by up to `brightness`, `contrast`,
    `saturation` and `hue` (turns of the colour circle, at most 0.5), `cutout`, the side of the masked square in pixels
    (arXiv 1708.04552), `mixup` and `cutmix`, the beta distribution's parameter (arXiv 1710.09412, 1905.04899; with
    both, each batch takes one of them).

    Fine-tuning, of networks that begin with trained weights: `tune` is what is trained, `all`, the classifier alone
    (`head`), the head and the last stages (`last:2`), or gradually all (`gradual:2`: the classifier, and after every 2
    epochs one stage more, arXiv 1801.06146); the rest stays as it is, its norms in evaluation mode. With
    `freeze_norm` batch norms stay everywhere, statistics and weights. The learning rate of a stage is that of the next
    one times `layer_decay` (arXiv 2003.10555, section 3.3), the head's is `learning_rate`.

    Averaging and testing: `ema_decay` keeps averaged weights for evaluation; with `ema_warmup` the decay after t
    updates is at most (1 + t) / (10 + t). `test_views` are what is looked at of each image when the test set is read.

    Running: `precision` `auto` is bfloat16 on a GPU, and on a CPU that has instructions for it where images are of 16 x
    16 pixels or more: dense convolutions were 1.3 to 1.7 times as fast; grouped ones stay in float32 there. `compile`
    hands the network to torch.compile, `graphs` records whole training steps as CUDA graphs: `auto` on a GPU alone, in
    trainings long enough to win back the time that this takes. What cannot be recorded runs as without.

    Raises `SpecError` for values out of range, and for fields that exclude each other.

    >>> Recipe(learning_rate=0.2, schedule="cosine", warmup_epochs=1.0).batch_size
    128
    """

    optimizer: Literal["sgd", "adamw", "rmsprop"] = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    l1: float = 0.0
    l2: float = 0.0
    batch_size: int = 128
    clip_norm: float | None = None
    clip_ratio: float | None = None

    schedule: Literal["cosine", "one_cycle", "step", "exponential", "plateau", "constant"] = "one_cycle"
    warmup_epochs: float = 0.0
    step_at: tuple[float, ...] = (0.5, 0.75)
    step_every: float = 0.1
    step_factor: float = 0.1
    patience: int = 5
    stop_patience: int | None = None

    class_weights: Literal["equal", "balanced"] = "equal"
    sampler: Literal["shuffled", "balanced"] = "shuffled"

    label_smoothing: float = 0.0
    dropout: float | None = None
    stochastic_depth: float | None = None
    drop_connect: float = 0.0
    drop_block: float = 0.0
    drop_block_size: int = 7

    crop_padding: int = 0
    resized_crop: float = 0.0
    horizontal_flip: bool = False
    auto_augment: Literal["cifar10", "imagenet", "svhn"] | None = None
    rand_augment: int = 0
    rand_augment_magnitude: int = 9
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    cutout: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0

    tune: str = "all"
    freeze_norm: bool = False
    layer_decay: float = 1.0

    ema_decay: float | None = None
    ema_warmup: bool = False
    test_views: Views = "plain"

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: Literal["off", "auto", "on"] = "off"
    graphs: Literal["off", "auto", "on"] = "off"

    def __post_init__(self) -> None:
        refuse_wrong_fields(self)
        for name in ("learning_rate", "clip_norm", "clip_ratio"):
            value = getattr(self, name)
            require(value is None or value > 0, name, f"must be above 0, got {value}")
        for name in _AT_LEAST_ZERO:
            value = getattr(self, name)
            require(value >= 0, name, f"must be at least 0, got {value}")
        for name in (
            "momentum",
            "label_smoothing",
            "dropout",
            "stochastic_depth",
            "drop_connect",
            "drop_block",
            "resized_crop",
        ):
            value = getattr(self, name)
            require(value is None or 0 <= value < 1, name, f"must be in [0, 1), got {value}")
        for name in ("patience", "stop_patience"):
            value = getattr(self, name)
            require(value is None or value >= 1, name, f"must be at least 1, got {value}")
        for name in ("step_factor", "step_every", "ema_decay"):
            value = getattr(self, name)
            require(value is None or 0 < value < 1, name, f"must be between 0 and 1, got {value}")
        require(0 < self.layer_decay <= 1, "layer_decay", f"must be above 0 and at most 1, got {self.layer_decay}")
        tuned_stages(self.tune)
        require(self.batch_size >= 2, "batch_size", f"must be at least 2 (batch norm), got {self.batch_size}")
        in_order = list(self.step_at) == sorted(self.step_at) and all(0 < share < 1 for share in self.step_at)
        require(in_order, "step_at", f"must be ascending shares between 0 and 1, got {list(self.step_at)}")
        _require_augmentation(self)
        _require_regularisation(self)


_AT_LEAST_ZERO = (
    *("weight_decay", "l1", "l2", "warmup_epochs", "crop_padding", "rand_augment"),
    *("brightness", "contrast", "saturation", "hue", "cutout", "mixup", "cutmix"),
)


def _require_augmentation(recipe: Recipe) -> None:
    require(recipe.hue <= 0.5, "hue", f"must be at most 0.5, half a turn of the colour circle, got {recipe.hue}")
    magnitude = recipe.rand_augment_magnitude
    require(0 <= magnitude <= 30, "rand_augment_magnitude", f"must be 0 to 30, got {magnitude}")
    has_both = recipe.auto_augment is not None and recipe.rand_augment > 0
    require(not has_both, "auto_augment", "takes the place of rand_augment: leave one of them out")


def _require_regularisation(recipe: Recipe) -> None:
    side = recipe.drop_block_size
    require(side >= 1 and side % 2 == 1, "drop_block_size", f"must be odd and positive, got {side}")
    changes = recipe.drop_block > 0 and recipe.compile != "off"
    require(not changes, "compile", "must be off with drop_block, whose rate changes in every step")
    is_alone = recipe.ema_warmup and recipe.ema_decay is None
    require(not is_alone, "ema_warmup", "needs an ema_decay to warm up to")


LAST, GRADUAL = "last:", "gradual:"


def tuned_stages(tune: str, epoch: int | None = None) -> int | None:
    """How many stages `tune` trains beside the head; -1 for the classifier alone, `None` for everything.

    Where that grows (`gradual:2`) it is what is trained in an `epoch`, counted from 0, and `None` without one. Raises
    `SpecError` for a text that says none of these.

    >>> tuned_stages("all"), tuned_stages("head"), tuned_stages("last:2")
    (None, -1, 2)
    >>> [tuned_stages("gradual:2", epoch) for epoch in range(5)]
    [-1, -1, 1, 1, 2]
    """
    if tune in ("all", "head"):
        return None if tune == "all" else -1
    word, _, count = tune.partition(":")
    is_count = f"{word}:" in (LAST, GRADUAL) and count.isascii() and count.isdigit() and len(count) < 6
    is_count = is_count and not (is_gradual(tune) and int(count) == 0)
    rule = "must be head, last:K (as last:2), gradual:N (as gradual:2) or all"
    require(is_count, "tune", f"{rule}, got '{shown(tune)}'")
    if not is_gradual(tune):
        return int(count)
    return None if epoch is None else epoch // int(count) or -1


def is_gradual(tune: str) -> bool:
    """Whether what `tune` trains grows from epoch to epoch.

    >>> is_gradual("gradual:2"), is_gradual("head")
    (True, False)
    """
    return tune.startswith(GRADUAL)


RECIPES = ("short", "full", "probe", "fine-tune", "paper-resnet", "paper-efficientnet")
"""The recipes known by name: for a search's estimates of a few epochs, for training what was found, for the classifier
alone and for all of a network with trained weights, and two papers'."""


def named_recipe(name: str, dataset: str) -> Recipe:
    """The recipe `name`, fitted to `dataset` (a data set's name). Raises `UnknownNameError` for another than `RECIPES`.

    `short` is for a search's estimates of a few epochs, `full` for training what was found. `probe` is for a classifier
    on the features of trained weights, with images as they are, and `fine-tune` for what begins with such weights, at a
    tenth of the learning rate. `paper-resnet` is He et
    al.'s (arXiv 1512.03385), with plain momentum: section 4.2 for small images, section 3.4 (batches of 256, a tenth of
    the rate after each third) for image folders; its weight decay spares norms and biases here. `paper-efficientnet` is
    Tan and Le's (arXiv 1905.11946, section 5.2, and its released code) at a smaller batch; its rate falls 146 times
    over any training, as every 2.4 epochs of the 350 there. Mirror images and larger crops are left out for the digits.

    >>> named_recipe("short", "digits").batch_size
    32
    >>> named_recipe("paper-efficientnet", "cifar10").learning_rate
    0.008
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    if name == "short":
        return _short(dataset)
    if name == "full":
        return _full(dataset)
    if name == "probe":
        return Recipe(optimizer="adamw", learning_rate=2e-3, weight_decay=1e-2, batch_size=32, schedule="cosine")
    if name == "fine-tune":
        return _fine_tune(dataset)
    return _paper_resnet(dataset) if name == "paper-resnet" else _paper_efficientnet(dataset)


def default_recipe(dataset: str) -> Recipe:
    """What a search on `dataset` trains with unless told otherwise: the recipe `short`.

    >>> default_recipe("cifar10") == named_recipe("short", "cifar10")
    True
    """
    return named_recipe("short", dataset)


def _short(dataset: str) -> Recipe:
    is_tiny = dataset == "digits"
    return Recipe(
        learning_rate=0.25 if is_tiny else 0.1,
        batch_size=32 if is_tiny else 128,
        label_smoothing=0.1 if is_tiny else 0.0,
        horizontal_flip=not is_tiny,
    )


def _full(dataset: str) -> Recipe:
    short = _short(dataset)
    return Recipe(
        learning_rate=short.learning_rate,
        batch_size=short.batch_size,
        schedule="cosine",
        warmup_epochs=1.0,
        label_smoothing=0.1,
        crop_padding=_crop_padding(dataset),
        horizontal_flip=short.horizontal_flip,
    )


def _fine_tune(dataset: str) -> Recipe:
    return Recipe(
        learning_rate=0.01,
        weight_decay=1e-4,
        batch_size=32,
        schedule="cosine",
        warmup_epochs=0.5,
        label_smoothing=0.1,
        crop_padding=_crop_padding(dataset),
        horizontal_flip=dataset != "digits",
    )


def _paper_resnet(dataset: str) -> Recipe:
    has_large_images = dataset.startswith("image_folder:")
    return Recipe(
        learning_rate=0.1,
        nesterov=False,
        weight_decay=1e-4,
        batch_size=256 if has_large_images else 128,
        schedule="step",
        step_at=(1 / 3, 2 / 3) if has_large_images else (0.5, 0.75),
        crop_padding=_crop_padding(dataset),
        horizontal_flip=dataset != "digits",
    )


def _paper_efficientnet(dataset: str) -> Recipe:
    batch_size = 32 if dataset == "digits" else 128
    policy: Literal["cifar10", "imagenet", "svhn"] = "cifar10"
    if dataset == "digits":
        policy = "svhn"
    elif dataset.startswith("image_folder:"):
        policy = "imagenet"
    return Recipe(
        optimizer="rmsprop",
        learning_rate=0.256 * batch_size / 4096,
        weight_decay=1e-5,
        batch_size=batch_size,
        schedule="exponential",
        warmup_epochs=5.0,
        step_every=2.4 / 350,
        step_factor=0.97,
        label_smoothing=0.1,
        dropout=0.2,
        stochastic_depth=0.2,
        crop_padding=_crop_padding(dataset),
        horizontal_flip=dataset != "digits",
        auto_augment=policy,
        ema_decay=0.9999,
        ema_warmup=True,
    )


def _crop_padding(dataset: str) -> int:
    return 1 if dataset == "digits" else 4
