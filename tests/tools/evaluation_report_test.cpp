#include "evaluation_report.hpp"

#include "confusion_table.hpp"
#include "convmixer/core/file.hpp"
#include "support/temporary_folder.hpp"
#include "text_columns.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

namespace convmixer::tool {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using Names = std::vector<std::string>;

/// `images` of each class, of which `wrong` are taken for the next one.
Evaluation evaluation_of(int classes, int images, int wrong) {
  Evaluation evaluation{.total = {}, .scores = ClassificationScores(classes), .complete = true};
  for (std::int32_t label = 0; label < classes; ++label) {
    for (int i = 0; i < images; ++i) {
      std::vector<float> logits(static_cast<std::size_t>(classes), 0.0F);
      logits[static_cast<std::size_t>(i < wrong ? (label + 1) % classes : label)] = 100.0F;
      evaluation.scores.add(logits, std::vector<std::int32_t>{label});
      evaluation.total += score(logits, classes, {.labels = std::vector<std::int32_t>{label}});
    }
  }
  return evaluation;
}

Names numbered(const std::string& name, int classes) {
  Names names;
  for (int i = 0; i < classes; ++i) names.push_back(name + std::to_string(i));
  return names;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::size_t widest(const std::string& text) {
  std::size_t columns = 0;
  for (const std::string& line : lines_of(text)) columns = std::max(columns, columns_of(line));
  return columns;
}

std::string report(const Evaluation& evaluation, const Names& names, const Terminal& terminal = {}) {
  return format_evaluation(evaluation, names, 1.0, terminal);
}

TEST(EvaluationReport, ShowsEachClassTheMatrixAndWhatIsConfused) {
  EXPECT_EQ(report(evaluation_of(3, 4, 1), {"cat", "dog", "frog"}),
            "  loss 25.0000  top-1 75.00%  top-5 100.00%  (12 images, 1.0s, 12 images/s)\n"
            "  mean confidence 100.00%, 25.00 points above the accuracy; expected calibration error 25.00%\n"
            "\n"
            "  class   images  correct  precision   recall       F1\n"
            "  cat         4        3     75.00%   75.00%   75.00%\n"
            "  dog         4        3     75.00%   75.00%   75.00%\n"
            "  frog        4        3     75.00%   75.00%   75.00%\n"
            "  mean       12        9     75.00%   75.00%   75.00%\n"
            "\n"
            "  confusion matrix: a row's class was taken for a column's\n"
            "        cat  dog frog\n"
            "  cat     3    1    .\n"
            "  dog     .    3    1\n"
            "  frog    1    .    3\n"
            "\n"
            "  most frequent confusions\n"
            "    cat taken for dog: 1 of 4 (25.0%)\n"
            "    dog taken for frog: 1 of 4 (25.0%)\n"
            "    frog taken for cat: 1 of 4 (25.0%)\n");
}

TEST(EvaluationReport, SaysNothingOfConfusionsWhereThereAreNone) {
  EXPECT_THAT(report(evaluation_of(2, 3, 0), {"cat", "dog"}), Not(HasSubstr("most frequent")));
}

TEST(EvaluationReport, LeavesOutAMatrixThatIsWiderThanTheTerminalAndListsMoreConfusions) {
  const std::string text = report(evaluation_of(100, 4, 1), numbered("class ", 100));
  EXPECT_THAT(text, Not(HasSubstr("confusion matrix")));
  EXPECT_THAT(text, HasSubstr("class 99 "));
  EXPECT_THAT(text, HasSubstr("class 9 taken for class 10: 1 of 4"));
  EXPECT_THAT(text, Not(HasSubstr("class 10 taken for")));
  EXPECT_LE(widest(text), 100U);
  EXPECT_THAT(report(evaluation_of(100, 4, 1), numbered("class ", 100), {.columns = 400}),
              HasSubstr("confusion matrix"));
}

TEST(EvaluationReport, ListsTheWorstOfVeryManyClasses) {
  Evaluation evaluation = evaluation_of(1000, 1, 0);
  std::vector<float> logits(1000, 0.0F);
  logits[3] = 100.0F;
  evaluation.scores.add(logits, std::vector<std::int32_t>{700});
  const std::string text = report(evaluation, numbered("class ", 1000));  // of equal F1, what has more images
  EXPECT_THAT(text, HasSubstr("  the 20 of 1,000 classes with the lowest F1 (--json writes all):\n"));
  const std::vector<std::string> lines = lines_of(text);
  EXPECT_THAT(lines.at(6), StartsWith("  class 700 "));
  EXPECT_THAT(lines.at(7), StartsWith("  class 3 "));
  EXPECT_LT(lines.size(), 40U);
}

TEST(EvaluationReport, CutsLongNamesToTheTerminalAlone) {
  const Names names = numbered("a very long name of a class that nobody would like to read in a table, number ", 10);
  const Evaluation evaluation = evaluation_of(10, 3, 1);
  const std::string text = report(evaluation, names, {.live = true, .colour = false, .columns = 80});
  for (const std::string& line : lines_of(text)) {
    if (line.starts_with("  mean confidence")) continue;
    EXPECT_LT(columns_of(line), 80U) << line;
  }
  EXPECT_THAT(report(evaluation, names), HasSubstr("\n  " + names.front() + " "));
}

TEST(EvaluationReport, AveragesOverTheClassesThatOccurAndSaysSo) {
  Evaluation evaluation{.total = {}, .scores = ClassificationScores(3), .complete = true};
  evaluation.scores.add(std::vector<float>{0.0F, 9.0F, 0.0F}, std::vector<std::int32_t>{1});
  const std::string text = report(evaluation, {"cat", "dog", "frog"});
  EXPECT_THAT(text, HasSubstr("  mean of 1 that occurs        1        1    100.00%  100.00%  100.00%\n"));
  EXPECT_THAT(text, HasSubstr("  cat                          0        0      0.00%    0.00%    0.00%\n"));
}

TEST(EvaluationReport, SaysHowManyImagesHaveNoPrediction) {
  Evaluation evaluation{.total = {}, .scores = ClassificationScores(2), .complete = true};
  const std::vector<float> logits(2, std::numeric_limits<float>::quiet_NaN());
  evaluation.scores.add(logits, std::vector<std::int32_t>{1});
  evaluation.total += score(logits, 2, {.labels = std::vector<std::int32_t>{1}});
  evaluation.total.loss_sum = -std::numeric_limits<double>::quiet_NaN();  // the sign of 0 / 0 on x86
  const std::string text = report(evaluation, {"cat", "dog"});
  EXPECT_THAT(text, HasSubstr("  loss nan  top-1 "));
  EXPECT_THAT(text, HasSubstr("  1 of 1 image got no prediction: its logits are not numbers\n"));
  EXPECT_THAT(text, Not(HasSubstr("calibration")));
}

TEST(ConfusionMatrix, HasNumbersForNamesThatWouldBeCutToTheSame) {
  const std::string text =
      format_confusion_matrix(evaluation_of(10, 3, 1).scores, numbered("category ", 10), 60, false);
  const std::vector<std::string> lines = lines_of(text);
  ASSERT_EQ(lines.size(), 11U);
  EXPECT_EQ(lines[0], "               0 1 2 3 4 5 6 7 8 9");
  EXPECT_EQ(lines[3], "  2 category 2 . . 2 1 . . . . . .");
}

TEST(ConfusionMatrix, CutsNamesAsFarAsTheyAreStillToldApart) {
  const Names names{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  const ClassificationScores scores = evaluation_of(10, 3, 1).scores;
  const std::string text = format_confusion_matrix(scores, names, 62, false);
  EXPECT_EQ(lines_of(text).front(), "             airp auto bird  cat deer  dog frog hors ship truc");
  EXPECT_EQ(widest(text), 62U);
  EXPECT_EQ(format_confusion_matrix(scores, names, 29, false), "");
  EXPECT_LE(widest(format_confusion_matrix(scores, names, 30, false)), 30U);
}

TEST(ConfusionMatrix, ColoursWhatIsRightGreenAndWhatIsWrongRed) {
  const std::string text = format_confusion_matrix(evaluation_of(2, 4, 1).scores, Names{"cat", "dog"}, 80, true);
  EXPECT_EQ(lines_of(text).at(1), "  cat\x1b[38;5;16;48;5;84m   3\x1b[0m\x1b[38;5;16;48;5;196m   1\x1b[0m");
  EXPECT_THAT(format_confusion_matrix(evaluation_of(2, 4, 1).scores, Names{"cat", "dog"}, 80, false),
              Not(HasSubstr("\x1b")));
}

TEST(ConfusionCsv, HasTheNamesAndCountsOfAllClasses) {
  const testing_support::TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "matrix.csv";
  ClassificationScores scores = evaluation_of(2, 4, 1).scores;
  const Names names{"cat", "dog, any"};
  write_confusion_csv(file, scores, names);
  EXPECT_EQ(read_text_file(file), "label,cat,\"dog, any\"\ncat,3,1\n\"dog, any\",1,3\n");
  scores.add(std::vector<float>(2, std::numeric_limits<float>::quiet_NaN()), std::vector<std::int32_t>{1});
  write_confusion_csv(file, scores, names);
  EXPECT_EQ(read_text_file(file), "label,cat,\"dog, any\",(no prediction)\ncat,3,1,0\n\"dog, any\",1,3,1\n");
}

}  // namespace
}  // namespace convmixer::tool
