// SPDX-License-Identifier: Apache-2.0
// Main program around the model that Verilator makes of an array.
#include "Vmodel.h"
#include "verilated.h"

#include "drive.h"

#define WIRE(name) Wire{&model.name, sizeof(model.name)}
#include "wires.h"

struct Design {
    VerilatedContext context;
    Vmodel model{&context};
    Wire rst = WIRE(rst);
    STREAMS
    void low() {
        model.clk = 0;
        model.eval();
    }
    void high() {
        model.clk = 1;
        model.eval();
    }
};

int main(int, char **arguments) {
    static Design design;
    return drive(design, arguments);
}
