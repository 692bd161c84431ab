"""x"""
from tongban.main.demo.tour.story import Step
STEPS: tuple[Step, ...] = ()
