"""The demonstration: the Chengde AED campaign of 2024 told through the same services that staff use.

What the chapter published (393,600.00 yuan, 34 devices, 7,471 rescuers) is reproduced exactly; what
it did not publish is invented plausibly and marked 演示 wherever it is shown. Refused in production.
"""
