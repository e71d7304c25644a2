// SPDX-License-Identifier: Apache-2.0
// Streams a matrix product through one compiled array, as a plain testbench does: no stalls, two
// evaluations a clock cycle. A row of a file is a port's value in whole 64-bit words, then a word
// with the beat's tlast in bit 0 and its tuser above.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

struct Wire {
    void *value;
    size_t bytes;
    size_t words() const { return (bytes + 7) / 8; }
    void set(uint64_t bits) const { std::memcpy(value, &bits, bytes); }
    bool high() const { return *static_cast<const unsigned char *>(value) & 1; }
};

struct Stream {
    Wire valid, ready, data, last, user;
};

inline std::vector<uint64_t> read_rows(const char *path) {
    std::FILE *file = std::fopen(path, "rb");
    if (!file) std::exit(1);
    std::fseek(file, 0, SEEK_END);
    std::vector<uint64_t> rows(std::ftell(file) / 8);
    std::rewind(file);
    if (std::fread(rows.data(), 8, rows.size(), file) != rows.size()) std::exit(1);
    std::fclose(file);
    return rows;
}

inline double cpu_seconds() {
    timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

// A source: its rows, and how far it is.
struct Source {
    const Stream &wires;
    std::vector<uint64_t> rows;
    size_t row = 0;
    size_t width() const { return wires.data.words() + 1; }
    bool more() const { return row * width() < rows.size(); }
    void offer() const {
        wires.valid.set(more());
        if (!more()) return;
        const uint64_t *from = &rows[row * width()];
        std::memcpy(wires.data.value, from, wires.data.bytes);
        wires.last.set(from[width() - 1] & 1);
        if (wires.user.value) wires.user.set(from[width() - 1] >> 1);
    }
    void moved() { row += more() && wires.ready.high(); }
};

// Arguments: rows of A, rows of B, file for rows of C, how many these are. A design has the streams
// a, b and c, a wire rst, and low() and high(), which evaluate it with that level of its clock.
// Prints cycles from the first operand beat to the last of C, and seconds of processor time.
template <class Design> int drive(Design &design, char **arguments) {
    Source a{design.a, read_rows(arguments[1])}, b{design.b, read_rows(arguments[2])};
    const Stream &c = design.c;
    const size_t total = std::strtoull(arguments[4], nullptr, 10), words = c.data.words();
    const size_t user_words = c.user.value ? c.user.words() : 0;
    std::vector<uint64_t> results(total * (words + user_words));
    design.rst.set(1);
    design.low();
    design.high();
    design.rst.set(0);
    c.ready.set(1);
    uint64_t cycle = 0, first = UINT64_MAX;
    size_t taken = 0;
    const double start = cpu_seconds();
    while (taken < total) {
        a.offer();
        b.offer();
        design.low();
        const size_t before = a.row + b.row;
        a.moved();
        b.moved();
        if (before == 0 && a.row + b.row > 0) first = cycle;
        if (c.valid.high()) {
            uint64_t *to = &results[taken++ * (words + user_words)];
            std::memcpy(to, c.data.value, c.data.bytes);
            if (user_words) std::memcpy(to + words, c.user.value, c.user.bytes);
        }
        design.high();
        ++cycle;
    }
    const double seconds = cpu_seconds() - start;
    std::FILE *file = std::fopen(arguments[3], "wb");
    if (!file || std::fwrite(results.data(), 8, results.size(), file) != results.size()) return 1;
    std::fclose(file);
    std::printf("{\"cycles\": %llu, \"seconds\": %.9f}\n",
                static_cast<unsigned long long>(cycle - first), seconds);
    return 0;
}
