import math

total = 0.0
for i in range(1, 700_000):
    x = i * 0.001
    total += math.sin(x) * math.sqrt(x) / (1.0 + x * x)
print(f"{total:.6f}")
