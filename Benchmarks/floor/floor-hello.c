// A dynamic C program that does next to nothing: the measure of `minidock --version`.
#include <stdio.h>

int main(void) { return puts("hello, version 0") < 0; }
