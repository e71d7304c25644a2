// SPDX-License-Identifier: Apache-2.0
// Peak rate of multiply-adds of this machine, from registers, with the number of threads given as the
// argument; the best of short runs for two seconds. Prints multiply-adds per second of all threads.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
constexpr int BYTES = 64;
#elif defined(__AVX__)
constexpr int BYTES = 32;
#else
constexpr int BYTES = 16;
#endif
typedef float Vector __attribute__((vector_size(BYTES)));
constexpr int CHAINS = BYTES == 64 ? 24 : 12, STEPS = 1 << 19;
constexpr double SECONDS = 2;

// Independent sums, more of them than a multiply-add takes cycles on any unit.
static void chains(float *result, float factor) {
    Vector sums[CHAINS], x = Vector{} + factor, y = Vector{} + 0.5f;
    for (int i = 0; i < CHAINS; ++i) sums[i] = Vector{} + static_cast<float>(i);
    for (int step = 0; step < STEPS; ++step) {
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; ++i) sums[i] = sums[i] * x + y;
    }
    Vector total{};
    for (int i = 0; i < CHAINS; ++i) total += sums[i];
    *result = total[0];
}

int main(int, char **arguments) {
    const int threads = std::atoi(arguments[1]);
    double best = 0;
    std::vector<float> results(threads);
    const auto begin = std::chrono::steady_clock::now();
    for (auto start = begin; start - begin < std::chrono::duration<double>(SECONDS);
         start = std::chrono::steady_clock::now()) {
        std::vector<std::thread> pool;
        for (int i = 0; i < threads; ++i) pool.emplace_back(chains, &results[i], 0.25f + i);
        for (auto &thread : pool) thread.join();
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
        const double work = double(threads) * STEPS * CHAINS * (BYTES / sizeof(float));
        best = work / taken.count() > best ? work / taken.count() : best;
    }
    std::printf("{\"per_second\": %.6g, \"vector_bytes\": %d, \"check\": %g}\n", best, BYTES,
                results[0]);
    return 0;
}
