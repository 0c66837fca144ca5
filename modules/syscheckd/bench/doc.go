// SPDX-License-Identifier: Apache-2.0

// Package bench has the benchmarks of a scan, each beside what it is compared
// with, and the generator of the trees they run over. It holds no code of the
// program.
//
// The trees have 100,000 files of 4 KiB and 64 files of 64 MiB. HIDS_BENCH_SCALE
// divides them: 100 makes a thousand small files, and the others a hundredth as
// large. HIDS_BENCH_DIR names a folder in which they are kept for the next run.
package bench
