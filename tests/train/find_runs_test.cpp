#include "convmixer/train/find_runs.hpp"

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convmixer {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class FindRuns : public testing::Test {
 protected:
  testing_support::TemporaryFolder parent_;
  fs::path top_ = parent_.path() / "runs";

  void make_run(const std::string& name) {
    parent_.write("runs/" + name + "/config.ini", "");
    parent_.write("runs/" + name + "/metrics.jsonl", "");
  }
};

TEST_F(FindRuns, FindsThemAtAnyDepthThatIsAskedFor) {
  make_run("b");
  make_run("a/seeds/seed-1");
  parent_.write("runs/configuration-alone/config.ini", "");
  parent_.write("runs/new/config.ini", "");
  parent_.write("runs/new/last.state.safetensors", "");
  EXPECT_THAT(find_runs(top_), ElementsAre(top_ / "a/seeds/seed-1", top_ / "b", top_ / "new"));
  EXPECT_THAT(find_runs(top_, 1), ElementsAre(top_ / "b", top_ / "new"));
  EXPECT_THAT(find_runs(top_ / "b", 0), ElementsAre(top_ / "b"));
}

TEST_F(FindRuns, FollowsNoLinksBelowTheFolderAndLooksIntoNoHiddenOnes) {
  make_run("a");
  make_run(".hidden");
  make_run("a/within");
  fs::create_directory_symlink(top_, top_ / "loop");
  fs::create_directory_symlink(parent_.path(), top_ / "out");
  EXPECT_THAT(find_runs(top_), ElementsAre(top_ / "a"));
  const fs::path link = parent_.path() / "link";
  fs::create_directory_symlink(top_, link);
  EXPECT_THAT(find_runs(link), ElementsAre(link / "a"));
}

TEST_F(FindRuns, RefusesWhatIsNoFolder) {
  parent_.write("file", "");
  EXPECT_THAT(testing_support::error_of([&] { (void)find_runs(parent_.path() / "none"); }).what(),
              HasSubstr("none: no such folder"));
  EXPECT_THAT(testing_support::error_of([&] { (void)find_runs(parent_.path() / "file"); }).what(),
              HasSubstr("file: a file: expected a folder"));
}

}  // namespace
}  // namespace convmixer
