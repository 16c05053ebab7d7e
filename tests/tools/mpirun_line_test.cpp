// The command that starts several processes, for each MPI.
#include "mpirun_line.hpp"

#include "support/error_of.hpp"
#include "typed_words.hpp"

#include <gtest/gtest.h>

namespace convmixer::tool {
namespace {

using testing_support::error_of;

TEST(MpirunLine, KnowsWhoseItIs) {
  EXPECT_EQ(recognise_mpirun("mpirun (Open MPI) 4.1.4\n"), Mpirun::open_mpi);
  EXPECT_EQ(recognise_mpirun("HYDRA build details:\n    Version: 4.0.2\n"), Mpirun::mpich);
  EXPECT_EQ(recognise_mpirun("Intel(R) MPI Library for Linux* OS, Version 2021.10\n"), Mpirun::intel);
  EXPECT_STREQ(error_of([] { (void)recognise_mpirun("Foo 1\nbar"); }).what(),
               "mpirun --version says 'Foo 1': expected Open MPI, MPICH or Intel MPI");
}

std::string line(MpirunLine line) {
  line.command = {"convmixer", "train", "--out", "my runs/it's"};
  return as_typed(words_of(line));
}

TEST(MpirunLine, IsOfThisMachine) {
  EXPECT_EQ(line({.ranks = 2}), "mpirun -np 2 --bind-to none convmixer train --out 'my runs/it'\\''s'");
  EXPECT_EQ(line({.ranks = 4, .is_root = true, .oversubscribed = true}),
            "mpirun -np 4 --allow-run-as-root --oversubscribe --bind-to none convmixer train --out 'my runs/it'\\''s'");
  EXPECT_EQ(line({.kind = Mpirun::mpich, .ranks = 2}),
            "mpirun -np 2 -bind-to none convmixer train --out 'my runs/it'\\''s'");
  EXPECT_EQ(line({.kind = Mpirun::intel, .ranks = 2}),
            "mpirun -np 2 -genv I_MPI_PIN 0 convmixer train --out 'my runs/it'\\''s'");
}

TEST(MpirunLine, IsOfSeveralMachinesWithRanksOnEach) {
  EXPECT_EQ(line({.program = "/opt/mpi/mpirun", .ranks = 2, .hosts = {"a", "b"}}),
            "/opt/mpi/mpirun -np 4 --host a:2,b:2 --bind-to none convmixer train --out 'my runs/it'\\''s'");
  EXPECT_EQ(line({.kind = Mpirun::mpich, .ranks = 2, .hosts = {"a", "b"}}),
            "mpirun -np 4 -hosts a,b -ppn 2 -bind-to none convmixer train --out 'my runs/it'\\''s'");
}

}  // namespace
}  // namespace convmixer::tool
