/* commands.h -- the command tables, one file each; commands.c lists them. */
#ifndef IMPRINT_COMMANDS_H
#define IMPRINT_COMMANDS_H

#include "cli.h"

extern const struct cli_command up_commands[];          /* up.c */
extern const struct cli_command down_commands[];        /* down.c */
extern const struct cli_command status_commands[];      /* status.c */
extern const struct cli_command reset_commands[];       /* reset.c */
extern const struct cli_command board_commands[];       /* board.c */
extern const struct cli_command broker_commands[];      /* broker.c */
extern const struct cli_command mqtt_commands[];        /* mqtt.c */
extern const struct cli_command broker_list_commands[]; /* door.c */
extern const struct cli_command ports_commands[];       /* ports.c */
extern const struct cli_command provision_commands[];   /* provision.c */
extern const struct cli_command device_commands[];      /* device.c */
extern const struct cli_command thing_commands[];       /* thing.c */
extern const struct cli_command door_commands[];        /* door.c */
extern const struct cli_command watch_commands[];       /* watch.c */
extern const struct cli_command doctor_commands[];      /* doctor.c */
extern const struct cli_command element_commands[];     /* element.c */
extern const struct cli_command certificate_commands[]; /* certificate.c */

/* All of these and the library's own; NULL ends the list. */
extern const struct cli_command *const cli_commands[];
extern const struct cli_option cli_globals[];

#endif
