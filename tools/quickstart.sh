#!/usr/bin/env bash
# From nothing to a trained, evaluated and exported model, on the CPU.
#
#   bash tools/quickstart.sh [OUTPUT_DIR]        (default: runs/quickstart)
#
# Installs into .venv, renders 2,000 training and 200 validation scenes, trains
# the experiment axial_deeplab_shapes on the former, exports a SavedModel, loads
# it in a fresh process, segments the latter, and evaluates what it found. Run
# again with the same folder, it goes on where it was interrupted (training:
# from the last checkpoint) and leaves out what is done. AXIAL_STEPS=100 trains
# for 100 steps instead of the experiment's own number.
set -euo pipefail

here=$PWD
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.venv/bin/python
experiment=axial_deeplab_shapes
times=
anew= # set once a step has run: those after it are then out of date

say() { printf 'quickstart: %s\n' "$*"; }

fail() {
  printf 'quickstart.sh: %s\n' "$*" >&2
  exit 2
}

# A step is left out if its last run ended well with the same command.
step() { # step NAME RESULT COMMAND...
  local name=$1 result=$2 mark=.steps/$1 start=$SECONDS status=0
  shift 2
  if [ -z "$anew" ] && [ -e "$result" ] && [ -f "$mark" ] &&
    [ "$(cat "$mark")" = "$*" ]; then
    say "$name: done before ($result)"
    return
  fi
  anew=yes
  rm -f "$mark"
  say "$name"
  "$@" || status=$?
  # The tools explain themselves and end with 2.
  [ "$status" != 2 ] || exit 2
  [ "$status" = 0 ] || fail "$name ended with status $status; run this again" \
    "to go on."
  printf '%s\n' "$*" >"$mark"
  times="$times$name $((SECONDS - start)) s, "
}

tool() { # tool NAME FLAGS...
  local name=$1
  shift
  "$python" "$root/tools/$name.py" "$@"
}

training_options() {
  local options=task.train_data.input_path='shapes/train-*.tfrecord'
  options=$options,task.validation_data.input_path='shapes/val-*.tfrecord'
  if [ -n "${AXIAL_STEPS:-}" ]; then
    local rate=trainer.optimizer_config.learning_rate.warmup_poly
    options=$options,trainer.train_steps=$AXIAL_STEPS
    options=$options,$rate.warmup_steps=$((AXIAL_STEPS / 20))
  fi
  printf '%s\n' "$options"
}

write_table() {
  tool evaluate --metric=panoptic --gt_json_file=shapes/val_panoptic.json \
    --pred_json_file=predictions/predictions.json --html_file=report.html \
    --image_folder=shapes/val_images --attention_folder=attention \
    --model_dir=model | tee table.txt.partial &&
    mv table.txt.partial table.txt
}

main() {
  [ $# -le 1 ] || fail "one argument at most, OUTPUT_DIR; got $#."
  case ${AXIAL_STEPS:-1} in
  *[!0-9]* | 0*) fail "AXIAL_STEPS must be a number from 1; got $AXIAL_STEPS." ;;
  esac
  bash "$root/tools/install.sh"
  say "installed in .venv (${SECONDS} s)"
  cd "$here"
  local output=${1:-$root/runs/quickstart} work_start=$SECONDS
  mkdir -p "$output/.steps" 2>/dev/null || fail "cannot write to $output."
  # From inside, so that no character of the path can upset a pattern.
  cd "$output"
  say "writing to $PWD"
  step scenes shapes/val_panoptic.json \
    tool convert_dataset --dataset=shapes --output_dir=shapes
  step training model/training_curves.png \
    tool train --experiment="$experiment" --mode=train_and_eval \
    --model_dir=model --params_override="$(training_options)"
  step export saved_model \
    tool export --experiment="$experiment" --checkpoint=model \
    --output_dir=saved_model
  step prediction predictions/predictions.json \
    tool predict --saved_model=saved_model --images=shapes/val_images \
    --output_dir=predictions
  step attention attention \
    tool visualize_attention --experiment="$experiment" --checkpoint=model \
    --image=shapes/val_images --output_dir=attention
  step table table.txt write_table
  say "${times:-nothing was left to do, }$((SECONDS - work_start)) s in all"
  cat <<END
quickstart: the results are in $PWD
  report.html                  the page of it all: scores, worst scenes, curves
  table.txt                    PQ, SQ, RQ and mIoU on the 200 unseen scenes
  predictions/overlays/*.png   what the model sees in each of them
  model/training_curves.png    loss and quality during the training
  saved_model                  the model, for tools/predict.py or TensorFlow
END
}

main "$@"
