"""Making models smaller: quantization, distillation, projection."""
