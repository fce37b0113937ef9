/* Which CPU this is: its name, and its family, model and stepping as one number; nothing where it does not say. */
#ifndef GLOROTLAB_CPU_H
#define GLOROTLAB_CPU_H

#include <stdio.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>

static inline void glorotlab_cpu(char text[64])
{
    unsigned name[13] = {0}, signature = 0, other;
    for (unsigned part = 0; part < 3; part++)
        __get_cpuid(0x80000002u + part, name + 4 * part, name + 4 * part + 1, name + 4 * part + 2, name + 4 * part + 3);
    __get_cpuid(1, &signature, &other, &other, &other);
    snprintf(text, 64, "%s %08x", (const char *)name, signature);
}
#else
static inline void glorotlab_cpu(char text[64]) { text[0] = 0; }
#endif

#endif
