#include "convmixer/train/option_parser.hpp"

#include "convmixer/core/file.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace convmixer {
namespace {

using testing::HasSubstr;
using testing_support::error_of;

enum class Colour { red, green };

/// One setting of every type.
class OptionParser : public testing::Test {
 protected:
  int dim_ = 256;
  float rate_ = 0.01F;
  bool flip_ = true;
  std::uint64_t seed_ = 1;
  std::int64_t time_ = 0;
  std::filesystem::path out_;
  std::vector<float> mean_;
  std::string data_ = "shapes";
  Colour colour_ = Colour::red;
  std::vector<OptionGroup> groups_{
      {"Model", {integer_option("dim", dim_, 1, 1000, "channels")}},
      {"Rest",
       {number_option("rate", rate_, 0.0F, 10.0F, "learning rate"), switch_option("flip", flip_, "flip images"),
        integer_option("seed", seed_, "of everything"), duration_option("time", time_, "limit"),
        path_option("out", out_, "FOLDER", "where to"), list_option("mean", mean_, -1.0F, "of each colour"),
        choice_option("data", data_, {"shapes", "cifar10"}, "which"),
        choice_option("colour", colour_, {{"red", Colour::red}, {"green", Colour::green}}, "which")}}};
  testing_support::TemporaryFolder folder_;

  void read(const std::vector<std::string>& words) { assign(groups_, parse_command_line(groups_, words).settings); }
  std::string refusal(const std::vector<std::string>& words) {
    const Error error = error_of([&] { read(words); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  void read_ini(const std::string& text) {
    write_file_atomically(folder_.path() / "a.ini", text);
    assign(groups_, parse_ini_file(groups_, folder_.path() / "a.ini"));
  }
  std::string ini_refusal(const std::string& text) {
    const Error error = error_of([&] { read_ini(text); });
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    const std::string message = error.what();
    const std::string file = (folder_.path() / "a.ini").string();
    EXPECT_TRUE(message.starts_with(file)) << message;
    return message.substr(std::min(file.size(), message.size()));
  }
};

TEST_F(OptionParser, ReadsEveryTypeFromTheCommandLine) {
  read({"--dim", "7", "--rate=2.5e-4", "--flip", "no", "--seed", "18446744073709551615", "--time", "1h30m", "--out",
        "a b/c", "--mean", "0.5,-0.25, 1", "--data", "cifar10", "--colour", "green"});
  EXPECT_EQ(dim_, 7);
  EXPECT_EQ(rate_, 2.5e-4F);
  EXPECT_FALSE(flip_);
  EXPECT_EQ(seed_, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(time_, 5400);
  EXPECT_EQ(out_, "a b/c");
  EXPECT_EQ(mean_, (std::vector<float>{0.5F, -0.25F, 1.0F}));
  EXPECT_EQ(data_, "cifar10");
  EXPECT_EQ(colour_, Colour::green);
}

TEST_F(OptionParser, ReadsEveryTypeFromAnIniFile) {
  read_ini(
      "# a comment\n\n[heading]\n dim=7 # channels\nrate = 2.5e-4\nflip = off\nseed = 3\r\ntime = 90\nout = a b/c\n"
      "mean = 0.5\ndata = cifar10\ncolour = green");
  EXPECT_EQ(dim_, 7);
  EXPECT_EQ(rate_, 2.5e-4F);
  EXPECT_FALSE(flip_);
  EXPECT_EQ(seed_, 3U);
  EXPECT_EQ(time_, 90);
  EXPECT_EQ(out_, "a b/c");
  EXPECT_EQ(mean_, std::vector<float>{0.5F});
  EXPECT_EQ(data_, "cifar10");
  EXPECT_EQ(colour_, Colour::green);
}

TEST_F(OptionParser, ReadsAFileFromAnEditorOnWindows) {
  read_ini("\xef\xbb\xbf# a comment\r\ndim = 7\r\n\r\nout = a b\r\n");
  EXPECT_EQ(dim_, 7);
  EXPECT_EQ(out_, "a b");
  read_ini(
      "\xef\xbb\xbf"
      "dim = 8");
  EXPECT_EQ(dim_, 8);
  for (const std::string& utf16 : {std::string("\xff\xfe"
                                               "d\0i\0m\0",
                                               8),
                                   std::string("\xfe\xff\0d\0i\0m", 8), std::string("d\0i\0m\0", 6)})
    EXPECT_THAT(ini_refusal(utf16), HasSubstr(": UTF-16 or no text at all, expected UTF-8"));
}

TEST_F(OptionParser, TakesASwitchWithoutAValueForYes) {
  flip_ = false;
  const CommandLine line = parse_command_line(groups_, std::vector<std::string>{"--flip", "run-folder"});
  assign(groups_, line.settings);
  EXPECT_TRUE(flip_);
  EXPECT_EQ(line.arguments, std::vector<std::string>{"run-folder"});
  read({"--flip=false"});
  EXPECT_FALSE(flip_);
}

TEST_F(OptionParser, NamesTheNearestOfAnUnknownOption) {
  EXPECT_EQ(refusal({"--dmi", "7"}), "unknown option '--dmi'; did you mean 'dim'?");
  EXPECT_EQ(refusal({"--dmi=7"}), "unknown option '--dmi'; did you mean 'dim'?");
  EXPECT_EQ(refusal({"--whatever"}), "unknown option '--whatever'");
}

TEST_F(OptionParser, DoesNotGuessAbbreviations) {
  EXPECT_EQ(refusal({"--col", "green"}), "unknown option '--col'; did you mean 'colour'?");
  EXPECT_EQ(colour_, Colour::red);
}

TEST_F(OptionParser, RefusesAnOptionWithoutItsValue) {
  EXPECT_EQ(refusal({"--dim"}), "option '--dim' needs a value");
  EXPECT_EQ(refusal({"--dim="}), "option '--dim' needs a value");
  EXPECT_EQ(refusal({"--dim", "--rate", "1"}), "option '--dim' needs a value");
}

TEST_F(OptionParser, RefusesAnOptionGivenTwice) {
  EXPECT_EQ(refusal({"--dim", "3", "--dim", "4"}), "option '--dim' is given twice");
}

TEST_F(OptionParser, SaysWhatItExpectedInsteadOfAValue) {
  EXPECT_EQ(refusal({"--dim", "0"}), "--dim 0: expected a whole number from 1 to 1000");
  EXPECT_EQ(refusal({"--dim", "1e2"}), "--dim 1e2: expected a whole number from 1 to 1000");
  EXPECT_EQ(refusal({"--dim", "99999999999"}), "--dim 99999999999: expected a whole number from 1 to 1000");
  EXPECT_EQ(refusal({"--rate", "-1"}), "--rate -1: expected a number from 0 to 10");
  EXPECT_EQ(refusal({"--flip=maybe"}), "--flip maybe: expected yes or no");
  EXPECT_EQ(refusal({"--time", "1h30"}),
            "--time 1h30: expected a time such as 2h, 1h30m, 45m, 90s, in whole numbers; one alone is seconds");
  EXPECT_EQ(refusal({"--data", "mnist"}), "--data mnist: expected one of shapes, cifar10");
  EXPECT_EQ(refusal({"--colour", "Red"}), "--colour Red: expected one of red, green; did you mean 'red'?");
  EXPECT_EQ(refusal({"--mean", "1,,2"}), "--mean 1,,2: expected numbers of at least -1, with commas between them");
}

TEST_F(OptionParser, RefusesNumbersThatAreNotFinite) {
  for (const char* text : {"nan", "inf", "-inf", "1e99", "NaN", "infinity"}) {
    EXPECT_THAT(refusal({"--rate", text}), HasSubstr("expected a number from 0 to 10"));
    EXPECT_THAT(refusal({"--mean", text}), HasSubstr("expected numbers"));
  }
}

TEST_F(OptionParser, RefusesPathsThatAnIniFileCouldNotHold) {
  for (const char* path : {"a#b", "a\nb", " a", "a "})
    EXPECT_THAT(refusal({"--out", path}), HasSubstr("expected a path"));
}

TEST_F(OptionParser, LeavesTheVariableAsItWasWhenItRefusesAValue) {
  (void)refusal({"--dim", "0"});
  (void)refusal({"--mean", "1,x"});
  EXPECT_EQ(dim_, 256);
  EXPECT_TRUE(mean_.empty());
}

TEST_F(OptionParser, NamesFileAndLineOfAnUnknownKey) {
  EXPECT_EQ(ini_refusal("dim = 3\n\nrat = 1\n"), ":3: unknown key 'rat'; did you mean 'rate'?");
}

TEST_F(OptionParser, NamesFileAndLineOfABadValue) {
  EXPECT_EQ(ini_refusal("# first\ndim = none\n"), ":2: dim = none: expected a whole number from 1 to 1000");
}

TEST_F(OptionParser, RefusesAKeyThatStandsTwiceInAFile) {
  EXPECT_EQ(ini_refusal("dim = 3\nrate = 1\ndim = 4\n"), ":3: key 'dim' is given twice, the first time in line 1");
}

TEST_F(OptionParser, RefusesALineWithoutAKeyAndAValue) {
  EXPECT_EQ(ini_refusal("dim = 3\n  just words\n"), ":2: 'just words' is not of the form key = value");
}

TEST_F(OptionParser, FailsOnAFileThatIsNotThere) {
  const Error error = error_of([&] { (void)parse_ini_file(groups_, folder_.path() / "none.ini"); });
  EXPECT_THAT(error.what(), HasSubstr("none.ini"));
}

TEST_F(OptionParser, WritesIniTextThatSetsEveryOptionAgain) {
  rate_ = 0.1F + 1e-8F;
  mean_ = {0.1F, 1.0F / 3.0F, -1.0F};
  time_ = 5400;
  out_ = "runs/a b";
  colour_ = Colour::green;
  flip_ = false;
  const float rate = rate_;
  const std::vector<float> mean = mean_;
  const std::string text = to_ini(groups_);
  read({"--rate", "1", "--mean", "9", "--time", "0", "--out", "x", "--colour", "red", "--flip"});
  read_ini(text);
  EXPECT_EQ(rate_, rate);
  EXPECT_EQ(mean_, mean);
  EXPECT_EQ(time_, 5400);
  EXPECT_EQ(out_, "runs/a b");
  EXPECT_EQ(colour_, Colour::green);
  EXPECT_FALSE(flip_);
  EXPECT_EQ(to_ini(groups_), text);
}

TEST_F(OptionParser, DescribesEveryOptionWithItsDefault) {
  const std::string help = describe_options(groups_);
  for (const char* part : {"Model:", "--dim N (=256)", "channels", "--data NAME (=shapes)", "--flip"}) {
    EXPECT_THAT(help, HasSubstr(part));
  }
}

TEST_F(OptionParser, SelectsOptionsByName) {
  const std::vector<std::string> names{"rate", "dim", "none"};
  const OptionGroup selection = select_options(groups_, "Some", names);
  ASSERT_EQ(selection.options.size(), 2U);
  EXPECT_EQ(selection.options[0].name, "dim");
  EXPECT_EQ(selection.options[1].name, "rate");
  EXPECT_EQ(selection.title, "Some");
}

}  // namespace
}  // namespace convmixer
