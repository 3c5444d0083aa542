"""Files in, one deterministic layer out: entries, tar, codec, layer. image-spec 1.1, layer.md."""
