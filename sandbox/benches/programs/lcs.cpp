#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>
int main() {
    const int n = 6000;
    std::string a, b;
    unsigned x = 1;
    for (int i = 0; i < n; i++) {
        x = x * 1103515245 + 12345, a += char('a' + (x >> 16) % 4);
        x = x * 1103515245 + 12345, b += char('a' + (x >> 16) % 4);
    }
    std::vector<std::vector<int>> best(n + 1, std::vector<int>(n + 1));
    for (int i = 1; i <= n; i++)
        for (int j = 1; j <= n; j++)
            best[i][j] = a[i - 1] == b[j - 1] ? best[i - 1][j - 1] + 1 : std::max(best[i - 1][j], best[i][j - 1]);
    printf("%d\n", best[n][n]);
}
