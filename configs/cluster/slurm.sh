#!/bin/bash
# Workers of one run as a Slurm array: sbatch configs/cluster/slurm.sh RUN. See docs/scaling.md.
# ~/delm.env sets DELM_STORE and the keys of the model's provider; only you can read it.
#SBATCH --job-name=delm
#SBATCH --array=1-16
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=24:00:00
#SBATCH --signal=B:INT@120
set -euo pipefail
set -a
. ~/delm.env
set +a
# An interrupted worker hands its trials on; exec lets it receive Slurm's signal.
exec ~/delm/bin/delm work --run "$1" --workers 4 --wait 600 --output "${SLURM_TMPDIR:-/tmp}/delm"
