#include <cstdio>
#include <vector>
int main() {
    const int n = 400;
    std::vector<double> a(n * n), b(n * n), c(n * n);
    for (int i = 0; i < n * n; i++) a[i] = i % 7 * 0.5, b[i] = i % 11 * 0.25;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++)
            for (int j = 0; j < n; j++) c[i * n + j] += a[i * n + k] * b[k * n + j];
    double sum = 0;
    for (double x : c) sum += x;
    printf("%.3f\n", sum);
}
