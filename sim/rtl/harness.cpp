// SPDX-License-Identifier: Apache-2.0
// Drives one compiled model in bulk. PORTS(X) in ports.h lists all ports except the clock; CLOCK is
// the name of the clock and is undefined for a design without one. A value is (width + 63) / 64
// little-endian 64-bit words; the caller has checked that every value fits its port.
#include "Vmodel.h"
#include "ports.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace {

struct Port {
    void *value;
    size_t bytes;
    size_t words() const { return (bytes + 7) / 8; }
    void write(const uint64_t *from) const { std::memcpy(value, from, bytes); }
    void read(uint64_t *to) const {
        to[words() - 1] = 0;
        std::memcpy(to, value, bytes);
    }
    bool high() const { return *static_cast<const unsigned char *>(value) & 1; }
    void set(bool on) const { *static_cast<unsigned char *>(value) = on; }
};

struct Bench {
    VerilatedContext context;
    std::unique_ptr<Vmodel> model;
    std::vector<Port> ports;

    Bench() {
        context.threads(1);
        model = std::make_unique<Vmodel>(&context, "top");
#define ADD_PORT(name) ports.push_back({&model->name, sizeof(model->name)});
        PORTS(ADD_PORT)
#undef ADD_PORT
    }
    ~Bench() {
        enter();
        model->final();
        model.reset();
    }

    // Verilator looks up its context by thread, even in destructors, and a bench can be used from a
    // thread that did not create it, after that thread has ended.
    void enter() { Verilated::threadContextp(&context); }

    // Clock low, inputs settled: combinational outputs of this cycle can be read.
    void settle() {
#ifdef CLOCK
        model->CLOCK = 0;
#endif
        model->eval();
    }
    void edge() {
#ifdef CLOCK
        model->CLOCK = 1;
        model->eval();
#endif
    }
};

// splitmix64 (Steele, Lea, Flood 2014): one state per stream, so that streams stall independently.
uint64_t draw(uint64_t &state) {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

} // namespace

extern "C" {

// Layout shared with model.py. Ports are indices; -1 is a port that the design does not have.
struct Stream {
    int32_t valid, ready, data, last, user, pad;
    int64_t total;      // beats to send or to receive
    uint64_t *data_rows, *last_rows, *user_rows, *cycle_rows;
    uint64_t stall;     // a cycle pauses the stream if 32 random bits are below this
    uint64_t random;    // state of its random numbers
    int64_t done;       // beats sent or received so far
    int64_t unstable;   // first cycle in which a waiting beat changed or vanished, or -1
    uint64_t offered;   // source: beat on the wires; sink: ready in this cycle
};

// A serial line, 8 data bits and a stop bit, both directions; the state lasts from call to call.
struct Line {
    int32_t rx, tx, busy, divider;
    int32_t sending, send_left, send_count;     // byte on the input, bits left, cycles of this bit
    int32_t taking, take_left, take_count;      // the same for the byte on the output
    int32_t wrong, pad;                         // received bytes without a stop bit
    uint64_t noise;     // a cycle inverts the input line if 32 random bits are below this
    uint64_t random;    // state of its random numbers
};

// Values of an input that accompanies a sink: row i is applied until beat i is first offered.
struct Beside {
    int32_t port, sink;
    int64_t total;
    const uint64_t *rows;
};

Bench *bench_open() { return new Bench; }
void bench_close(Bench *bench) { delete bench; }

void bench_write(Bench *bench, int port, const uint64_t *from) { bench->ports[port].write(from); }
void bench_read(Bench *bench, int port, uint64_t *to) {
    bench->enter();
    bench->settle();
    bench->ports[port].read(to);
}

// One row of each input and output per clock cycle.
void bench_run(Bench *bench, int64_t cycles, int inputs, const int *in, const uint64_t **from,
               int outputs, const int *out, uint64_t **to) {
    bench->enter();
    for (int64_t t = 0; t < cycles; ++t) {
        for (int i = 0; i < inputs; ++i) {
            const Port &port = bench->ports[in[i]];
            port.write(from[i] + t * port.words());
        }
        bench->settle();
        for (int i = 0; i < outputs; ++i) {
            const Port &port = bench->ports[out[i]];
            port.read(to[i] + t * port.words());
        }
        bench->edge();
    }
}

static void offer(Bench *bench, Stream &s) {
    if (!s.offered && s.done < s.total)
        s.offered = (draw(s.random) >> 32) >= s.stall;
    const auto &ports = bench->ports;
    ports[s.valid].set(s.offered);
    if (s.offered) {
        ports[s.data].write(s.data_rows + s.done * ports[s.data].words());
        if (s.last >= 0) ports[s.last].set(s.last_rows[s.done]);
        if (s.user >= 0) ports[s.user].write(s.user_rows + s.done * ports[s.user].words());
    }
}

static void sent(Bench *bench, Stream &s, int64_t cycle) {
    if (!s.offered || !bench->ports[s.ready].high()) return;
    s.cycle_rows[s.done++] = cycle;
    s.offered = 0;
}

static void listen(Bench *bench, Stream &s) {
    s.offered = s.done < s.total && (draw(s.random) >> 32) >= s.stall;
    bench->ports[s.ready].set(s.offered);
}

// Reads the beat into its row even before it is accepted: a waiting beat must not change.
static void received(Bench *bench, Stream &s, int64_t cycle, bool &waiting,
                     std::vector<uint64_t> &old, std::vector<uint64_t> &now) {
    const auto &ports = bench->ports;
    const bool valid = ports[s.valid].high();
    now.assign(now.size(), 0);
    uint64_t *next = now.data();
    for (int port : {s.data, s.last, s.user}) {
        if (port < 0) continue;
        ports[port].read(next);
        next += ports[port].words();
    }
    if (waiting && (!valid || now != old) && s.unstable < 0) s.unstable = cycle;
    waiting = valid && !s.offered;
    old = now;
    if (!valid || !s.offered) return;
    ports[s.data].read(s.data_rows + s.done * ports[s.data].words());
    if (s.last >= 0) s.last_rows[s.done] = ports[s.last].high();
    if (s.user >= 0) ports[s.user].read(s.user_rows + s.done * ports[s.user].words());
    s.cycle_rows[s.done++] = cycle;
}

// The clock has risen, so a registered valid already has its value of this cycle.
static void accompany(Bench *bench, const Beside &beside, const Stream &sink) {
    const Port &port = bench->ports[beside.port];
    const int64_t row = sink.done + bench->ports[sink.valid].high();
    if (row < beside.total) port.write(beside.rows + row * port.words());
}

// Runs until every stream is done or max_cycles have passed; returns the cycles run.
int64_t bench_stream(Bench *bench, int sources, Stream *source, int sinks, Stream *sink,
                     int besides, const Beside *beside, int64_t max_cycles) {
    bench->enter();
    std::vector<std::vector<uint64_t>> old(sinks), now(sinks);
    std::unique_ptr<bool[]> waiting(new bool[sinks]());
    for (int i = 0; i < sinks; ++i) {
        size_t words = 0;
        for (int port : {sink[i].data, sink[i].last, sink[i].user})
            words += port < 0 ? 0 : bench->ports[port].words();
        old[i].resize(words);
        now[i].resize(words);
    }
    int64_t cycle = 0;
    for (; cycle < max_cycles; ++cycle) {
        bool busy = false;
        for (int i = 0; i < sources; ++i) busy |= source[i].done < source[i].total;
        for (int i = 0; i < sinks; ++i) busy |= sink[i].done < sink[i].total;
        if (!busy) break;
        for (int i = 0; i < besides; ++i) accompany(bench, beside[i], sink[beside[i].sink]);
        for (int i = 0; i < sources; ++i) offer(bench, source[i]);
        for (int i = 0; i < sinks; ++i) listen(bench, sink[i]);
        bench->settle();
        for (int i = 0; i < sources; ++i) sent(bench, source[i], cycle);
        for (int i = 0; i < sinks; ++i)
            received(bench, sink[i], cycle, waiting[i], old[i], now[i]);
        bench->edge();
    }
    for (int i = 0; i < sources; ++i) bench->ports[source[i].valid].set(false);
    for (int i = 0; i < sinks; ++i) bench->ports[sink[i].ready].set(false);
    return cycle;
}

// Level of the input line in this cycle. Starts the next byte when the previous one is sent.
static bool line_in(Line &line, const uint8_t *from, int64_t total, int64_t &sent) {
    if (!line.send_count) {
        if (line.send_left) --line.send_left;
        if (!line.send_left && sent < total) {
            line.sending = from[sent++] << 1 | 0x200;
            line.send_left = 10;
        } else {
            line.sending = line.send_left ? line.sending >> 1 : 1;
        }
        if (line.send_left) line.send_count = line.divider;
    }
    if (line.send_count) --line.send_count;
    const bool level = line.send_left ? line.sending & 1 : true;
    return level ^ (line.noise && (draw(line.random) >> 32) < line.noise);
}

// Samples the output line in the middle of each bit. Returns true when a byte is complete.
static bool line_out(Line &line, bool level) {
    if (!line.take_left) {
        if (level) return false;
        line.take_left = 10;
        line.take_count = line.divider / 2;
        line.taking = 0;
    }
    if (line.take_count--) return false;
    line.take_count = line.divider - 1;
    line.taking = line.taking >> 1 | level << 9;
    if (--line.take_left) return false;
    line.wrong += !level;
    return true;
}

// Sends bytes and collects received bytes. Ends when all bytes are sent and the output line and the
// design have been idle for `idle` cycles, when there is no more room, or after `cycles` cycles.
// Returns the cycles run.
int64_t bench_line(Bench *bench, Line *line, const uint8_t *from, int64_t total, int64_t *sent,
                   uint8_t *to, int64_t room, int64_t *taken, int64_t idle, int64_t cycles) {
    bench->enter();
    const Port &rx = bench->ports[line->rx], &tx = bench->ports[line->tx];
    int64_t quiet = 0, cycle = 0;
    for (; cycle < cycles && *taken < room && quiet < idle; ++cycle) {
        rx.set(line_in(*line, from, total, *sent));
        bench->settle();
        if (line_out(*line, tx.high())) to[(*taken)++] = line->taking >> 1 & 0xff;
        const bool works = line->take_left || line->send_left || *sent < total;
        quiet = works || bench->ports[line->busy].high() ? 0 : quiet + 1;
        bench->edge();
    }
    rx.set(true);
    return cycle;
}

} // extern "C"
