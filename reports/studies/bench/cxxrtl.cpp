// SPDX-License-Identifier: Apache-2.0
// Main program around the model that CXXRTL makes of an array.
#include "model.cc"

#include "drive.h"

template <size_t Bits> Wire wire_of(cxxrtl::value<Bits> &value) {
    return {value.data, (Bits + 7) / 8};
}
template <size_t Bits> Wire wire_of(cxxrtl::wire<Bits> &wire) { return wire_of(wire.curr); }

#define WIRE(name) wire_of(model.name)
#include "wires.h"

struct Design {
    cxxrtl_design::MODEL model;
    Wire rst = WIRE(p_rst);
    STREAMS
    void low() {
        model.p_clk.set(false);
        model.step();
    }
    void high() {
        model.p_clk.set(true);
        model.step();
    }
};

int main(int, char **arguments) {
    static Design design;
    return drive(design, arguments);
}
