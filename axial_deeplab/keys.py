"""Names of the entries of prediction, target and result dictionaries."""

# What a panoptic model returns, and, under the same names, what its targets
# and loss weights are called (so that `model.fit` pairs them by itself).
SEMANTIC_LOGITS = "semantic_logits"  # [B, H, W, K]; target: labels [B, H, W]
CENTER_HEATMAP = "center_heatmap"  # [B, H, W, 1]
CENTER_OFFSET = "center_offset"  # [B, H, W, 2], (dy, dx) in pixels

# What a semantic-only model returns beside SEMANTIC_LOGITS: nothing.

# What is added to them where logits have become probabilities.
SEMANTIC_PROBABILITIES = "semantic_probabilities"  # float32 [B, H, W, K]

# What post-processing returns, all [B, H, W].
PANOPTIC = "panoptic"  # int32, class * label_divisor + instance
SEMANTIC = "semantic"  # int32 class
INSTANCE = "instance"  # int32, class-agnostic, 0 is none
INSTANCE_CENTER = "instance_center"  # float32 heatmap after suppression
INSTANCE_SCORE = "instance_score"  # float32

# The instances of an image, [B, N], by descending score.
INSTANCE_IDS = "instance_ids"  # int32 panoptic ids, -1 is none
INSTANCE_CLASSES = "instance_classes"  # int32, -1 is none
INSTANCE_SCORES = "instance_scores"  # float32

# Entries of a training or evaluation example before batching.
IMAGE = "image"  # uint8 [H, W, 3]
IMAGE_ID = "image_id"  # string scalar, file name without extension
HEIGHT = "height"  # int32 scalar, valid pixels before padding
WIDTH = "width"
