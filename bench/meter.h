/* meter.h -- what plugin.c calls instead of the broker when its callbacks are measured (meter.c). */
#ifndef IMPRINT_BENCH_METER_H
#define IMPRINT_BENCH_METER_H

#include <stdbool.h>

#pragma GCC visibility push(default)
#include <mosquitto.h>
#include <mosquitto_broker.h> /* before the other one, which does not compile alone */
#include <mosquitto_plugin.h>
#pragma GCC visibility pop

int meter_register(mosquitto_plugin_id_t *id, int event, MOSQ_FUNC_generic_callback run,
    const void *data, void *userdata);
int meter_unregister(
    mosquitto_plugin_id_t *id, int event, MOSQ_FUNC_generic_callback run, const void *data);

#endif
