"""The one supervised training loop: optimizers and schedules, epochs, jobs that resume, and logs beside them."""
