from collections import deque
h, w = map(int, input().split())
grid = [["#" if (r * 7 + c * 11) % 5 == 0 else "." for c in range(w)] for r in range(h)]
grid[0][0] = grid[h - 1][w - 1] = "."
distance = [[-1] * w for _ in range(h)]
distance[0][0] = 0
queue = deque([(0, 0)])
while queue:
    r, c = queue.popleft()
    for dr, dc in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        y, x = r + dr, c + dc
        if 0 <= y < h and 0 <= x < w and grid[y][x] == "." and distance[y][x] < 0:
            distance[y][x] = distance[r][c] + 1
            queue.append((y, x))
print(distance[h - 1][w - 1])
