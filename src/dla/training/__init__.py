"""The one supervised training loop: device and precision, order of examples, optimizers, epochs, exact resume, logs."""
